"""Code that travels with deployments: packed once per folder, only what is missing sent, old versions kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orchestrator.bundles import CHUNK_BYTES
from orchestrator.errors import BadBundle, HeadgateError, InvalidDeployment
from tests.support.deployments import spec

BUNDLE = {"kind": "bundle"}


def code_of(folder: Path, **changes: Any) -> dict[str, Any]:
    """The spec of a deployment whose code is in a folder, as its file declares it."""
    place = {"folder": str(folder), "path": str(folder / "flows.py"), "entry": "flows.py"}
    return spec(**place, source=BUNDLE, **{"working_dir": None, **changes})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Twelve files: the flow's, ten others of a KiB that nothing compresses, and one of 2.5 pieces."""
    (tmp_path / "flows.py").write_text("import lib\n")
    for number in range(10):
        (tmp_path / f"part{number}.bin").write_bytes(os.urandom(1024))
    (tmp_path / "model.bin").write_bytes(os.urandom(CHUNK_BYTES * 5 // 2))
    return tmp_path


def test_the_first_deploy_sends_all_and_the_same_again_nothing(client: Any, project: Path) -> None:
    first = client.create_from_spec(code_of(project))
    assert (first.code.files, first.code.sent_files) == (12, 12)
    assert first.code.bytes < first.code.sent_bytes < first.code.bytes + 100
    again = client.create_from_spec(code_of(project))
    assert (again.status, again.code.sent_files, again.code.sent_bytes) == ("unchanged", 0, 0)
    assert again.code_version == again.source["digest"][:16] == first.code_version


def test_a_second_deploy_with_one_changed_file_sends_only_that_one(client: Any, project: Path) -> None:
    client.create_from_spec(code_of(project))
    network = traffic(client)
    (project / "part3.bin").write_bytes(os.urandom(1024))
    made = client.create_from_spec(code_of(project))
    assert (made.status, made.code.sent_files, made.code.sent_bytes) == ("updated", 1, 1025)
    assert traffic(client) - network < 32 << 10  # scripts that Redis did not have yet, digests, the list of files


def test_of_a_large_file_that_grew_only_the_end_is_sent(client: Any, project: Path) -> None:
    client.create_from_spec(code_of(project))
    with (project / "model.bin").open("ab") as file:
        file.write(b"more")
    made = client.create_from_spec(code_of(project))
    assert (made.code.sent_files, made.code.sent_bytes) == (1, CHUNK_BYTES // 2 + 5)


def traffic(client: Any) -> int:
    """Bytes that Redis has received."""
    return int(client.store.scripts.redis.info("stats")["total_net_input_bytes"])


def test_deployments_of_one_folder_share_one_bundle_and_folders_share_pieces(client: Any, project: Path) -> None:
    one, two = client.create_from_specs([code_of(project), code_of(project, name="other")])
    assert one.source == two.source and one.code == two.code
    copy = project / "copy"
    copy.mkdir()
    for file in project.glob("*.bin"):
        (copy / file.name).write_bytes(file.read_bytes())
    (copy / "flows.py").write_text("# another\n")
    assert client.create_from_spec(code_of(copy, name="third")).code.sent_files == 1


def test_each_revision_keeps_its_code_and_runs_are_of_one_version(client: Any, store: Any, project: Path) -> None:
    before = client.create_from_spec(code_of(project))
    run = client.run_deployment("nightly")
    (project / "flows.py").write_text("import other\n")
    after = client.create_from_spec(code_of(project))
    assert before.source["digest"] != after.source["digest"]
    made = store.records.get(run.id)
    assert store.spec_of(made)["source"] == before.source
    assert client.get_flow_run(run.id).code_version == before.code_version
    assert {file.path for file in store.bundles.get(before.source["digest"]).files} > {"flows.py", "model.bin"}
    later = client.run_deployment("nightly")
    assert client.get_flow_run(later.id).code_version == after.code_version


def test_a_flow_whose_file_or_folder_is_left_out_is_refused_before_anything_is_sent(client: Any, project: Path) -> None:
    (project / ".headgateignore").write_text("flows.py\n")
    with pytest.raises(InvalidDeployment, match=r"flows\.py, is left out of its code") as caught:
        client.create_from_spec(code_of(project))
    assert "source=" in str(caught.value.hint)
    (project / ".headgateignore").unlink()
    (project / "empty").mkdir()
    with pytest.raises(InvalidDeployment, match="working_dir of score/nightly, empty, has no file"):
        client.create_from_spec(code_of(project, working_dir="empty"))
    assert client.store.scripts.redis.keys("*chunk*") == []


def test_what_is_too_large_or_refused_by_a_check_changes_nothing(client: Any, project: Path) -> None:
    def refuse(_spec: Any, packed: Any) -> None:
        assert packed.manifest.size > 0
        raise HeadgateError("no")

    client.create_from_spec(code_of(project))
    with pytest.raises(HeadgateError, match="no"):
        client.create_from_specs([code_of(project, name="b")], check=refuse)
    (project / "data.bin").write_bytes(bytes(16 << 20))
    with pytest.raises(BadBundle, match=r"at most 16\.0 MiB"):
        client.create_from_spec(code_of(project, name="c"))
    assert [one.name for one in client.list_deployments()] == ["score/nightly"]


def test_the_home_of_headgate_never_travels(client: Any, project: Path) -> None:
    client.home = str(project / "state")
    (project / "state").mkdir()
    (project / "state/profiles.toml").write_text('redis_url = "redis://:secret@db"')
    assert client.create_from_spec(code_of(project)).code.files == 12


def test_a_spec_with_the_digest_of_another_installation_is_refused(client: Any, project: Path) -> None:
    source = {"kind": "bundle", "digest": "0" * 64, "files": 1, "bytes": 1}
    with pytest.raises(InvalidDeployment, match="is not in this Redis"):
        client.create_from_spec({**code_of(project), "source": source})


def test_inspect_and_set_work_queue_keep_the_source(client: Any, project: Path) -> None:
    made = client.create_from_spec(code_of(project))
    client.create_work_queue("ml")
    client.set_work_queue("nightly", "ml")
    found = client.get_deployment("nightly")
    assert found.source == made.source and found.parameter_schema["parameters"] == []
