"""Retries with a fixed delay, time limits, and what is told about them."""

import threading
import time
from typing import Any

import pytest

from orchestrator import flow, task
from orchestrator.sdk import context
from orchestrator.sdk.context import FlowRun, TaskRun
from orchestrator.sdk.errors import FlowTimedOut, TaskTimedOut
from orchestrator.sdk.interrupts import Alarm
from orchestrator.sdk.states import State


class Recorder:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.tasks: list[tuple[str, str, int]] = []
        self.flows: list[str] = []

    def log(self, level: int, logger: str, message: str) -> None: ...

    def flow_moved(self, run: FlowRun, state: State) -> None:
        self.flows.append(str(state))

    def task_moved(self, run: TaskRun, state: State) -> None:
        self.tasks.append((run.id, str(state), run.attempt))


@pytest.fixture
def told() -> Any:
    recorder = Recorder()
    context.report_to(recorder)
    yield recorder
    context.report_to(None)


def failing(times: int) -> Any:
    """A function that fails so many times before it answers."""
    calls: list[int] = []

    def attempt() -> int:
        calls.append(1)
        if len(calls) <= times:
            raise ValueError(f"failure {len(calls)}")
        return len(calls)

    return attempt


def test_a_task_is_tried_again_until_it_succeeds(told: Recorder) -> None:
    attempt = task(failing(2), retries=2, name="t")
    assert flow(lambda: attempt())() == 3
    assert told.tasks == [
        ("t-0", "RUNNING", 1),
        ("t-0", "SCHEDULED (AwaitingRetry)", 1),
        ("t-0", "RUNNING", 2),
        ("t-0", "SCHEDULED (AwaitingRetry)", 2),
        ("t-0", "RUNNING", 3),
        ("t-0", "COMPLETED", 3),
    ]


def test_a_task_fails_with_the_last_error_when_no_attempt_is_left() -> None:
    attempt = task(failing(9), retries=1)
    with pytest.raises(ValueError, match="failure 2"):
        flow(lambda: attempt().result())()


def test_the_fixed_delay_is_kept_between_attempts() -> None:
    attempt = task(failing(2), retries=2, retry_delay_seconds=0.3)
    started = time.monotonic()
    flow(lambda: attempt().result())()
    assert time.monotonic() - started >= 0.6


def test_a_delay_of_zero_never_spins() -> None:
    attempt = task(failing(3), retries=3, retry_delay_seconds=0)
    started = time.monotonic()
    flow(lambda: attempt().result())()
    assert time.monotonic() - started >= 0.3


def test_waiting_for_a_retry_holds_no_worker() -> None:
    @task
    def quick() -> str:
        return "quick"

    slow = task(failing(1), retries=1, retry_delay_seconds=0.5)

    @flow(max_workers=1)
    def main() -> list[Any]:
        waiting = slow()
        started = time.monotonic()
        quick().result()
        early = time.monotonic() - started < 0.4
        return [early, waiting.result()]

    assert main() == [True, 2]


def test_a_failing_flow_does_not_sit_out_the_delays_of_its_tasks() -> None:
    failed_once = threading.Event()

    @task(retries=5, retry_delay_seconds=3600)
    def never() -> None:
        failed_once.set()
        raise ValueError("again in an hour")

    @flow
    def main() -> None:
        never()
        failed_once.wait(10)
        raise KeyError("flow")

    started = time.monotonic()
    with pytest.raises(KeyError):
        main()
    assert time.monotonic() - started < 10


def test_a_flow_without_an_agent_is_tried_again_with_new_tasks(told: Recorder) -> None:
    attempt = failing(1)
    assert flow(attempt, retries=2)() == 2
    assert told.flows == ["RUNNING", "FAILED", "SCHEDULED (AwaitingRetry)", "RUNNING", "COMPLETED"]


def test_wrong_parameters_are_not_tried_again(told: Recorder) -> None:
    @flow(retries=5)
    def main(n: int) -> None: ...

    assert main("x", return_state=True).name == "ParameterError"
    assert told.flows == ["FAILED (ParameterError)"]


def test_a_task_over_its_time_fails_as_timed_out_and_is_abandoned() -> None:
    release = threading.Event()

    @task(timeout_seconds=0.1)
    def hang() -> None:
        release.wait(30)

    @flow
    def main() -> str:
        future = hang()
        with pytest.raises(TaskTimedOut, match=r"task run hang-0 did not end within 0\.1 s"):
            future.result()
        return str(future.state.name)

    assert main() == "TimedOut"
    release.set()


def test_a_timed_out_attempt_is_retried() -> None:
    release, calls = threading.Event(), []

    @task(timeout_seconds=0.2, retries=1)
    def hang_once() -> str:
        calls.append(1)
        if len(calls) == 1:
            release.wait(30)
        return "second"

    assert flow(lambda: hang_once())() == "second"
    release.set()


def test_a_task_within_its_time_gives_its_value_and_its_exception() -> None:
    @task(timeout_seconds=30)
    def half(n: int) -> float:
        return 1 / n

    @flow
    def main() -> list[Any]:
        with pytest.raises(ZeroDivisionError):
            half(0).result()
        return [half(2).result()]

    assert main() == [0.5]


def test_a_timed_task_that_waits_for_a_task_does_not_block_the_only_worker() -> None:
    @task
    def inner() -> int:
        return 1

    @task(timeout_seconds=30)
    def outer() -> int:
        return int(inner().result())

    assert flow(lambda: outer(), max_workers=1)() == 1


def test_a_flow_over_its_time_is_interrupted_and_its_finally_runs() -> None:
    cleaned: list[int] = []

    @flow(timeout_seconds=0.2)
    def main() -> None:
        try:
            time.sleep(30)
        finally:
            cleaned.append(1)

    state = main(return_state=True)
    assert (state.name, cleaned) == ("TimedOut", [1])
    with pytest.raises(FlowTimedOut, match=r"did not end within 0\.2 s"):
        state.result()


def test_waiting_for_a_hung_task_is_interrupted_too() -> None:
    release = threading.Event()

    @task
    def hang() -> None:
        release.wait(30)

    @flow(timeout_seconds=0.2)
    def main() -> None:
        hang().result()

    assert main(return_state=True).name == "TimedOut"
    release.set()


def test_a_subflows_limit_leaves_its_parents_limit_running() -> None:
    @flow(timeout_seconds=5)
    def sub() -> None:
        time.sleep(0.2)

    @flow(timeout_seconds=0.5)
    def main() -> None:
        sub()
        time.sleep(30)

    started = time.monotonic()
    assert main(return_state=True).name == "TimedOut"
    assert 0.4 <= time.monotonic() - started < 10


def test_the_outer_limit_rings_inside_the_inner_one() -> None:
    with pytest.raises(FlowTimedOut, match="outer"), Alarm(0.2, "outer"), Alarm(30, "inner"):
        threading.Event().wait(30)


def test_after_a_limit_the_users_alarm_handler_is_back() -> None:
    import signal

    handler = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        with Alarm(30, "flow"):
            pass
        assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN
        assert signal.getitimer(signal.ITIMER_REAL)[0] == 0
    finally:
        signal.signal(signal.SIGALRM, handler)
