"""From a claim and a spec to an order."""

from typing import Any

import pytest

from agent.calls import BadRecord
from agent.ordering import Site, order_of
from agent.orders import Order
from queues.claims import Claim
from queues.records import Run

SPEC = {
    "name": "d",
    "flow": "main",
    "path": "/flows/flow.py",
    "function": "main",
    "folder": "/flows",
    "parameters": {"taxi": "green"},
    "retries": 2,
    "retry_delay_seconds": 1.5,
    "timeout_seconds": 60,
    "env": {"REGION": "south"},
    "virtualenv": ".venv",
    "tags": ["ml"],
}


def a_claim(parameters: bytes | None = None) -> Claim:
    raw = {b"state": b"PENDING", b"queue": b"ml", b"revision": b"4", b"name": b"brisk-otter-12", b"failures": b"1"}
    return Claim(
        run_id="r1",
        token=7,
        claim_id="c",
        attempt=2,
        queue="ml",
        deadline_us=0,
        lease_seconds=30.0,
        record=Run.parse("r1", raw),
        parameters=parameters,
    )


def make(spec: dict[str, Any] | None, parameters: bytes | None = None) -> Order:
    return order_of(a_claim(parameters), spec, Site(host="here"), keep_when_cut=False)


def test_an_order_holds_what_a_launch_needs() -> None:
    order = make(SPEC)
    assert (order.deployment, order.code, order.run_name) == ("main/d", "main/d@4", "brisk-otter-12")
    assert (order.working_dir, order.interpreter) == ("/flows", "/flows/.venv/bin/python")
    assert (order.rules.retries, order.rules.failures, order.rules.timeout_seconds) == (2, 1, 60)
    assert (order.environment, order.tags, order.attempt) == ({"REGION": "south"}, ("ml",), 2)


def test_the_runs_own_parameters_win_over_those_of_the_deployment() -> None:
    assert make(SPEC).parameters == {"taxi": "green"}
    assert make(SPEC, b'{"taxi": "yellow"}').parameters == {"taxi": "yellow"}


@pytest.mark.parametrize(
    ("spec", "parameters", "said"),
    [
        (None, None, "revision 4 of its deployment is gone"),
        ({}, None, "spec can not be read: KeyError"),
        ({**SPEC, "retries": "many"}, None, "spec can not be read: ValueError"),
        (SPEC, b"{", "parameters can not be read"),
        (SPEC, b"[1]", "expected its parameters to be a JSON object, got list"),
        (SPEC, b"[" * 100_000, "parameters can not be read"),
    ],
)
def test_a_record_that_says_nothing_usable_is_named(spec: dict[str, Any] | None, parameters: bytes, said: str) -> None:
    with pytest.raises(BadRecord, match=said):
        make(spec, parameters)
