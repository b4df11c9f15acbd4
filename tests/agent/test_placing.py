"""Where code, interpreter and working folder of a deployment are, by where its code comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agent.errors import LaunchFailed, NotOnThisMachine
from agent.needs import Need, Providers
from agent.placing import Placed, placed

DIGEST, COMMIT = "a" * 64, "b" * 40
SPEC: dict[str, Any] = {"path": "/dev/jobs/flows/main.py", "folder": "/dev/jobs", "entry": "flows/main.py"}
BUNDLE = {"source": {"kind": "bundle", "digest": DIGEST}}
REPOSITORY = {"kind": "git", "url": "https://h/x", "commit": COMMIT}
GIT = {"source": {**REPOSITORY, "subfolder": "jobs"}}
ROOM = "/kept/work/r1-1"


def where(here: bool = True, room: str | None = ROOM, **changes: Any) -> Placed:
    """The places of a spec on a machine where all it needs is here, or nothing is."""
    return placed({**SPEC, **changes}, lambda need: Path(f"/{need.part}") if here else None, own={}, room=room)


def test_a_deployment_without_a_source_or_on_a_path_is_where_its_spec_says() -> None:
    for source in ({}, {"source": None}, {"source": {"kind": "path"}}):
        found = where(here=False, **source)
        assert (found.path, found.folder, found.working_dir) == ("/dev/jobs/flows/main.py", "/dev/jobs", "/dev/jobs")
        assert (found.links, found.needs, found.missing) == (None, (), ())
    assert where(working_dir="/data").working_dir == "/data"


def test_a_bundle_is_where_it_was_unpacked_and_its_runs_have_a_folder_of_their_own() -> None:
    found = where(**BUNDLE)
    assert (found.folder, found.path) == ("/code", "/code/flows/main.py")
    assert (found.working_dir, found.links) == (ROOM, "/code/flows")
    assert [need.key for need in found.needs] == [f"bundle-{DIGEST}"] and found.missing == ()


def test_a_repository_may_hold_the_project_in_a_folder() -> None:
    found = where(**GIT)
    assert (found.folder, found.path) == ("/code/jobs", "/code/jobs/flows/main.py")
    assert found.needs[0].key == f"git-{COMMIT}"
    assert where(source=REPOSITORY).folder == where(source={**REPOSITORY, "subfolder": ""}).folder == "/code"


def test_a_working_folder_that_is_named_is_in_the_code_or_as_it_is() -> None:
    assert where(**BUNDLE, working_dir="data/./in").working_dir == "/code/data/in"
    assert where(**BUNDLE, working_dir=".").working_dir == "/code"
    found = where(**BUNDLE, working_dir="/data")
    assert (found.working_dir, found.links) == ("/data", None)
    assert where(**BUNDLE, room=None).working_dir == "/code"


def test_what_is_not_here_is_missing_all_of_it_at_once() -> None:
    found = where(here=False, **BUNDLE, requirements=["pandas"])
    assert [need.part for need in found.missing] == ["code", "environment"] == [need.part for need in found.needs]
    assert where(**BUNDLE, requirements=["pandas"]).interpreter == "/environment/bin/python"


def test_an_interpreter_beside_the_flow_is_that_of_the_machine_it_was_deployed_from() -> None:
    assert where(**BUNDLE, virtualenv=".venv").interpreter == "/dev/jobs/.venv/bin/python"


@pytest.mark.parametrize(
    "changes",
    [
        {"entry": "../x.py"},
        {"entry": "/etc/x.py"},
        {"entry": ""} | {"entry": "a/../../x"},
        {"working_dir": "../up"},
        {"source": {**REPOSITORY, "subfolder": "../.."}},
        {"source": {**REPOSITORY, "subfolder": "/etc"}},
        {"source": {"kind": "bundle"}},
        {"source": {"digest": DIGEST}},
        {"source": "bundle"},
        {"source": BUNDLE["source"], "entry": None},
    ],
)
def test_a_spec_that_leads_out_of_its_code_or_is_none_raises(changes: dict[str, Any]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError, AttributeError)):
        where(**{**BUNDLE, **changes})


def test_code_that_only_a_newer_agent_can_bring_is_left_to_one() -> None:
    problem = where(source={"kind": "moon"}).problem
    assert isinstance(problem, NotOnThisMachine)
    assert str(problem) == "this machine can not run it: its code comes by 'moon', which needs a newer Headgate"


def test_an_agent_that_keeps_nothing_says_so() -> None:
    def place(need: Need) -> Path | None:
        return Providers({}).place(need)

    problem = placed({**SPEC, **BUNDLE}, place, own={}, room=None).problem
    assert isinstance(problem, LaunchFailed) and str(problem) == "this agent can not prepare a bundle"
