"""The code of a run in a terminal: from where it was deployed while it is the same there, else a copy of it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from agent.here_code import code_here
from orchestrator.client import Client
from orchestrator.errors import BadBundle
from orchestrator.store import Store
from tests.support.deployments import spec

Here = Callable[[dict[str, Any]], tuple[str, str, list[str], list[str]]]


@pytest.fixture
def store(redis: Any) -> Store:
    return Store(redis)


@pytest.fixture
def here(store: Store) -> Here:
    """Prepares code and answers: its folder, the text of its module, what is in the working folder, what was said."""

    def prepared(wanted: dict[str, Any]) -> tuple[str, str, list[str], list[str]]:
        said: list[str] = []
        with code_here(store.bundles, wanted, home=None, say=said.append) as found:
            text = Path(found["folder"], "lib.py").read_text()
            assert Path(found["path"]).is_file()
            return found["folder"], text, sorted(path.name for path in Path(found["working_dir"]).iterdir()), said

    return prepared


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "clone" / "etl"
    folder.mkdir(parents=True)
    (folder / "flows.py").write_text("import lib")
    (folder / "lib.py").write_text("VERSION = 1")
    return folder


def of(folder: Path, source: dict[str, Any], **changes: Any) -> dict[str, Any]:
    place = {"folder": str(folder), "path": str(folder / "flows.py"), "entry": "flows.py"}
    return spec(**place, source=source, **{"working_dir": None, **changes})


def deployed(store: Store, folder: Path, **changes: Any) -> dict[str, Any]:
    client = Client(store, actor="ada")
    client.create_from_spec(of(folder, {"kind": "bundle"}, **changes))
    return client.deployment_spec("nightly")


def test_a_bundle_is_run_where_it_was_deployed_from_until_that_changes(store: Store, here: Here, project: Path) -> None:
    wanted = deployed(store, project)
    assert here(wanted) == (str(project), "VERSION = 1", ["flows.py", "lib.py"], [])
    (project / "lib.py").write_text("VERSION = 2")
    folder, text, names, said = here(wanted)
    assert (text, names) == ("VERSION = 1", ["flows.py", "lib.py"]) and not Path(folder).exists()
    assert said == [f"Running a copy of its code: {project} has changed since it was deployed"]
    shutil.rmtree(project)
    assert here(wanted)[3] == [f"Running a copy of its code: {project} is not on this machine"]


def test_a_bundle_that_is_gone_says_what_to_do(store: Store, here: Here, project: Path) -> None:
    wanted = deployed(store, project)
    shutil.rmtree(project)
    store.scripts.redis.delete(store.keys.bundle(wanted["source"]["digest"]))
    with pytest.raises(BadBundle, match="not in Redis any more"):
        here(wanted)


def test_a_working_folder_is_that_of_the_deployment_when_it_names_one(store: Store, here: Here, project: Path) -> None:
    assert here(deployed(store, project, working_dir="."))[2] == ["flows.py", "lib.py"]
    assert here(deployed(store, project, working_dir=str(project.parent)))[2] == ["etl"]


def test_code_at_its_path_is_left_as_it_is(store: Store, project: Path) -> None:
    wanted = of(project, {"kind": "path"})
    with code_here(store.bundles, wanted, home=None, say=print) as found:
        assert found == wanted


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=ada", "-c", "user.email=ada@lab")
    done = subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_commit_is_run_in_a_clone_that_is_at_it_and_fetched_otherwise(here: Here, project: Path) -> None:
    clone, origin = project.parent, project.parent.with_name("origin")
    (project / "link").symlink_to("/etc/passwd")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        git(clone, *words)
    shutil.copytree(clone, origin, symlinks=True)
    commit = git(clone, "rev-parse", "HEAD")
    git(origin, "commit", "-q", "--allow-empty", "-m", "second")
    wanted = of(project, {"kind": "git", "url": f"file://{origin}", "commit": commit, "subfolder": "etl"})
    assert here(wanted)[0] == str(project)
    (project / "lib.py").write_text("VERSION = 2")
    folder, text, names, said = here(wanted)
    assert (text, names) == ("VERSION = 1", ["flows.py", "lib.py", "link"]) and folder != str(project)
    assert said == [f"Running a copy of its code: {project} is not at commit {commit[:10]}"]
    with pytest.raises(BadBundle, match="commit 0000000000 of file"):
        here({**wanted, "source": {**wanted["source"], "commit": "0" * 40}})
