"""The variables of a run as an agent reads them: merged, and refused with the level they come from."""

from dataclasses import replace
from typing import Any

import pytest

from agent.calls import BadRecord
from agent.variables import variables_of
from tests.agent.test_ordering import a_claim

SPEC = {"env": {"D": "deployment", "R": "deployment"}}


def test_run_wins_over_deployment_and_deployment_over_queue() -> None:
    queue = {"Q": "queue", "D": "queue", "R": "queue"}
    claim = replace(a_claim(), queue_environment=queue, environment=b'{"R": "run", "E": ""}')
    assert variables_of(claim, SPEC) == {"Q": "queue", "D": "deployment", "R": "run", "E": ""}


@pytest.mark.parametrize(
    ("changes", "spec", "told"),
    [
        ({"queue_environment": {"LD_PRELOAD": "x"}}, SPEC, "of its work queue ml can not be used: LD_PRELOAD"),
        (
            {"queue_environment": {"A": "\udcff"}},
            SPEC,
            "of its work queue ml can not be used: expected env.A to be text",
        ),
        ({}, {"env": {"PYTHONPATH": "x"}}, "of its deployment can not be used: PYTHONPATH"),
        ({}, {"env": ["A"]}, "expected the variables of its deployment to be an object, got list"),
        ({"environment": b'{"HEADGATE_HOME": "x"}'}, SPEC, "of the run can not be used: HEADGATE_HOME"),
        ({"environment": b'{"A": null}'}, SPEC, "of the run can not be used: expected env.A to be text"),
        ({"environment": b"\xff"}, SPEC, "its variables can not be read"),
    ],
)
def test_what_no_process_may_have_is_refused_with_its_level(changes: dict[str, Any], spec: Any, told: str) -> None:
    with pytest.raises(BadRecord, match=told):
        variables_of(replace(a_claim(), **changes), spec)
