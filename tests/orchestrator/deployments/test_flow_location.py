"""Where a flow's file may stand, and which flow of it is meant."""

import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.deployments import DeploymentSpec, flow_file
from orchestrator.deployments.declared import Origin
from orchestrator.errors import InvalidDeployment, InvalidFlowFile

ONE = "from orchestrator import flow\n@flow\ndef score(): ...\n"
TWO = ONE + "@flow(name='other name')\ndef train(): ...\ndef helper(): ...\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with flows beside a deployment file."""
    (tmp_path / "flows").mkdir()
    (tmp_path / "score.py").write_text(ONE)
    (tmp_path / "flows" / "two.py").write_text(TWO)
    (tmp_path / "none.py").write_text("x = 1\n")
    (tmp_path / "notes.txt").write_text("x")
    return tmp_path


def recorded(folder: Path, location: str, **arguments: Any) -> dict[str, Any]:
    """The record of a deployment declared in a file of this folder."""
    spec = DeploymentSpec(flow_location=location, name="d", **arguments)
    spec.origin = Origin(str(folder / "deploy.py"), 7, {})
    return spec.to_dict()


def test_a_location_is_relative_to_the_deployment_file(folder: Path) -> None:
    made = recorded(folder, "flows/two.py", flow_name="train")
    assert made["path"] == str(folder / "flows" / "two.py")
    assert (made["folder"], made["entry"]) == (str(folder / "flows"), "two.py")
    assert (made["flow"], made["function"], made["source_line"]) == ("other name", "train", 7)


def test_an_absolute_location_inside_the_folder_is_taken(folder: Path) -> None:
    assert recorded(folder, str(folder / "score.py"))["function"] == "score"


def test_a_flow_is_found_by_its_own_name_too(folder: Path) -> None:
    assert recorded(folder, "flows/two.py", flow_name="other name")["function"] == "train"


@pytest.mark.parametrize(
    ("location", "said"),
    [
        ("../score.py", "leads out of the folder"),
        ("flows/../score.py", "leads out of the folder"),
        ("/etc/passwd", "outside the folder"),
        ("os:system", "a path without the flow's name"),
        ("score.py:score", "a path without the flow's name"),
        ("s3://bucket/score.py", "the path of a Python file"),
        ("score.py\0", "the path of a Python file"),
        ("notes.txt", "a Python file"),
        ("score", "a Python file"),
        ("missing.py", "there is no file"),
        ("flows", "a Python file"),
        ("link.py", "a link that leads out"),
    ],
)
def test_a_location_that_leads_elsewhere_is_refused(folder: Path, location: str, said: str) -> None:
    (folder / "link.py").symlink_to("/etc/hostname")
    with pytest.raises(InvalidDeployment) as caught:
        recorded(folder, location)
    assert caught.value.field == "flow_location"
    assert said in caught.value.message


def test_a_missing_file_is_told_the_nearest(folder: Path) -> None:
    with pytest.raises(InvalidDeployment) as caught:
        recorded(folder, "scor.py")
    assert caught.value.hint == "did you mean 'score.py'?"


@pytest.mark.parametrize(
    ("location", "flow_name", "code", "said"),
    [
        ("flows/two.py", None, "several-flows", "there are 2 flows in two.py: score, train"),
        ("none.py", None, "no-flow", "there is no flow in none.py"),
        ("flows/two.py", "trian", "no-flow", "there is no flow 'trian' in two.py"),
        ("flows/two.py", "helper", "not-a-flow", "helper in two.py is a function, not a flow"),
    ],
)
def test_which_flow_is_meant_has_to_be_clear(
    folder: Path, location: str, flow_name: str | None, code: str, said: str
) -> None:
    with pytest.raises(InvalidFlowFile) as caught:
        recorded(folder, location, flow_name=flow_name)
    assert caught.value.code == code and said in caught.value.message
    # What is to be changed is the flow's file where it has no flow, and else the deployment.
    assert caught.value.file == (str(folder / location) if location == "none.py" else None)


def test_two_folders_may_have_modules_of_one_name(folder: Path) -> None:
    for name in ("a", "b"):
        (folder / name).mkdir()
        (folder / name / "settings.py").write_text(f"TAG = {name!r}\n")
        (folder / name / "run.py").write_text(f"import settings\n{ONE.replace('@flow', '@flow(tags=[settings.TAG])')}")
    assert recorded(folder, "a/run.py")["tags"] == ["a"]
    assert recorded(folder, "b/run.py")["tags"] == ["b"]
    assert "settings" not in sys.modules and "run" not in sys.modules


def test_a_users_module_hides_a_loaded_one_of_its_name_only_while_their_file_is_loaded(folder: Path) -> None:
    import json

    (folder / "json.py").write_text("MINE = 'mine'\n")
    (folder / "score.py").write_text(f"import json\n{ONE.replace('@flow', '@flow(tags=[json.MINE])')}")
    assert recorded(folder, "score.py")["tags"] == ["mine"]
    assert sys.modules["json"] is json


def test_the_code_version_follows_the_text_of_the_file(folder: Path) -> None:
    before = recorded(folder, "score.py")["code_version"]
    assert recorded(folder, "score.py")["code_version"] == before
    (folder / "score.py").write_text(ONE + "# a remark\n")
    assert recorded(folder, "score.py")["code_version"] == flow_file.code_version(str(folder / "score.py")) != before


def test_a_file_is_read_anew_even_when_its_size_and_second_are_the_same(folder: Path) -> None:
    for tag in ("a", "b"):
        (folder / "score.py").write_text(ONE.replace("@flow", f"@flow(tags=['{tag}'])"))
        assert recorded(folder, "score.py")["tags"] == [tag]


def test_deployments_that_the_flows_own_file_declares_are_not_collected(folder: Path) -> None:
    from orchestrator.deployments.declared import Collection

    more = "from orchestrator.deployments import DeploymentSpec\nDeploymentSpec(flow=score, name='own')\n"
    (folder / "score.py").write_text(ONE + more)
    spec = DeploymentSpec(flow_location="score.py", name="d")
    spec.origin = Origin(str(folder / "deploy.py"), 7, {})
    with Collection() as specs:
        spec.to_dict()
    assert specs == []
