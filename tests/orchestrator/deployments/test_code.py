"""How code comes to the machines: what may be said of it, and what is recorded."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from orchestrator import flow
from orchestrator.deploy_file import load
from orchestrator.deployments import DeploymentSpec, GitRepository
from orchestrator.deployments.code import recorded_source
from orchestrator.errors import InvalidDeployment
from orchestrator.flow_runners import SubprocessFlowRunner

COMMIT = "0123456789abcdef0123456789abcdef01234567"
URL = "https://git.example.org/team/flows.git"
FILE = """
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec, GitRepository
from orchestrator.flow_runners import SubprocessFlowRunner
@flow
def main():
    pass
DeploymentSpec(flow=main, name="d", source={source})
"""


@flow
def main() -> None:
    """Does nothing."""


def recorded(source: Any, **runner: Any) -> dict[str, Any]:
    return DeploymentSpec(flow=main, name="d", source=source, flow_runner=SubprocessFlowRunner(**runner)).to_dict()


def refused(source: Any, **runner: Any) -> InvalidDeployment:
    with pytest.raises(InvalidDeployment) as caught:
        recorded(source, **runner)
    return caught.value


@pytest.mark.parametrize("source", ["disk", "", 5, ["path"], {"kind": "path"}, Path("x"), "BUNDLE", True])
def test_what_is_no_source_is_refused(source: Any) -> None:
    assert refused(source).field == "source" and '"bundle", "path" or Git' in refused(source).message


URLS = [
    *(
        "",
        5,
        None,
        "flows",
        "/srv/flows.git",
        "http://x/y",
        "git://x/y",
        "ext::sh -c id",
        "https://",
        "-oProxyCommand=x",
    ),
    *("--upload-pack=x", "ssh://-oProxy=x y", "git@-host:x", "user@host:-x", "https://a\nb", "ftp://x", "x" * 3000),
]


@pytest.mark.parametrize("url", URLS)
def test_an_address_that_git_could_take_for_a_command_or_that_is_open_to_anybody_is_refused(url: Any) -> None:
    assert refused(GitRepository(url, COMMIT)).field == "source.url"


@pytest.mark.parametrize(
    "url", ["https://ada:pw@host/x", "https://token@host/x", "ssh://ada:pw@host/x", "http://ada:pw@h"]
)
def test_a_password_in_an_address_is_refused_and_not_repeated(url: str) -> None:
    error = refused(GitRepository(url, COMMIT))
    assert error.field == "source.url" and "pw" not in str(error) and "token" not in str(error)


@pytest.mark.parametrize("commit", ["", "main", "v1.0", COMMIT[:12], COMMIT.upper(), COMMIT + "0", None, 5])
def test_a_commit_is_named_in_full(commit: Any) -> None:
    assert refused(GitRepository(URL, commit)).field == "source.commit"


def test_code_at_its_path_is_recorded_as_ever() -> None:
    made = recorded("path")
    folder = str(Path(__file__).parent)
    assert (made["source"], made["entry"], made["working_dir"]) == ({"kind": "path"}, "test_code.py", folder)
    assert recorded("path", working_dir="data")["working_dir"] == f"{folder}/data"


def test_code_travels_unless_something_else_is_said() -> None:
    made = recorded(None)
    assert (made["source"], made["working_dir"]) == ({"kind": "bundle"}, None)


def test_runs_of_code_that_travels_start_in_a_folder_of_their_own_or_of_the_code() -> None:
    assert recorded("bundle")["working_dir"] is None
    assert recorded("bundle", working_dir="data/in")["working_dir"] == "data/in"
    assert recorded("bundle", working_dir=".")["working_dir"] == "."
    assert recorded("bundle", working_dir="/srv/data")["working_dir"] == "/srv/data"
    error = refused("bundle", working_dir="data/../../x")
    assert error.field == "flow_runner.working_dir" and "leads out of the code" in error.message


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone with one commit, of a flow in a folder of it."""
    folder = tmp_path / "etl"
    folder.mkdir()
    (folder / "flows.py").write_text(FILE.format(source="None"))
    who = ("-c", "user.name=ada", "-c", "user.email=ada@lab")
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    return folder


def head(folder: Path) -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_code_of_a_repository_is_recorded_with_its_place_in_there(clone: Path) -> None:
    commit = head(clone)
    (clone / "flows.py").write_text(FILE.format(source=f"GitRepository({URL!r}, {commit!r})"))
    found = load(clone / "flows.py")
    (spec,) = found.specs
    assert spec["source"] == {"kind": "git", "url": URL, "commit": commit, "subfolder": "etl"}
    assert (spec["entry"], spec["code_version"], spec["working_dir"]) == ("flows.py", commit[:16], None)
    assert found.warnings == (f"d: flows.py here is not that of commit {commit[:10]}, which runs get",)


def test_a_commit_that_is_not_here_is_told_and_a_folder_in_no_clone_is_refused(clone: Path, tmp_path: Path) -> None:
    (clone / "flows.py").write_text(FILE.format(source=f"GitRepository({URL!r}, {COMMIT!r})"))
    assert "is not in this clone" in load(clone / "flows.py").warnings[0]
    (tmp_path / ".git").rename(tmp_path / "no.git")
    with pytest.raises(InvalidDeployment, match="is in no git work tree") as caught:
        recorded_source(GitRepository(URL, COMMIT), str(clone))
    assert "clone" in str(caught.value.hint)
