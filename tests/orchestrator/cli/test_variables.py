"""Variables on the command line: set and unset for a queue, given to a run, shown, refused, never cut at an `=`."""

from __future__ import annotations

from typing import Any

import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.support.deployments import spec


def test_variables_of_a_queue_are_set_shown_and_unset(headgate: Headgate) -> None:
    done = headgate("work-queue", "set-env", "default", "URL=a=b", "EMPTY=", "API_TOKEN=x\ny")
    assert done.out == "Runs of work queue default get URL, EMPTY, API_TOKEN from their next start on\n"
    assert "Warning: API_TOKEN looks like a secret" in done.err
    shown = headgate.json("work-queue", "inspect", "default")
    assert shown["env"] == {"API_TOKEN": "x\ny", "EMPTY": "", "URL": "a=b"}
    assert {change["what"] for change in shown["changes"]} == {"env.URL", "env.EMPTY", "env.API_TOKEN"}
    gone = headgate("work-queue", "unset-env", "default", "URL", "NONE")
    assert gone.out == "Runs of work queue default no longer get URL\n"
    assert gone.err == "Work queue default sets no NONE.\n"


def test_variables_of_a_run_are_kept_with_it(headgate: Headgate, opened: Any) -> None:
    opened.create_from_spec(spec())
    made = headgate.json("deployment", "run", "nightly", "--env", "REGION=süd", "--env", "EMPTY=")
    assert headgate.json("flow-run", "inspect", made["id"])["env"] == {"REGION": "süd", "EMPTY": ""}


@pytest.mark.parametrize(
    ("words", "field", "message"),
    [
        (("work-queue", "set-env", "default", "A"), "VARIABLE=VALUE (number 1)", "expected NAME=VALUE"),
        (("work-queue", "set-env", "default", "A=1", "A=2"), "VARIABLE=VALUE (number 2)", "given before"),
        (("work-queue", "set-env", "default", "LD_PRELOAD=x"), "env.LD_PRELOAD", "how the interpreter itself starts"),
        (("deployment", "run", "nightly", "--env", "=1"), "--env (number 1)", "expected NAME=VALUE"),
        (("deployment", "run", "nightly", "--env", "HEADGATE_HOME=x"), "env.HEADGATE_HOME", "Headgate's own"),
    ],
)
def test_a_variable_that_can_not_be_is_refused_and_nothing_is_written(
    headgate: Headgate, opened: Any, contents: Any, words: tuple[str, ...], field: str, message: str
) -> None:
    opened.create_from_spec(spec())
    before = contents()
    error = headgate(*words, "-o", "json", code=2).error()
    assert error["field"] == field and message in error["message"] and error["hint"]
    assert contents() == before
