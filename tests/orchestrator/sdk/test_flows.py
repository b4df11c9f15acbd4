"""What a flow amounts to: its value, its state, its failed tasks, its subflows."""

import contextlib
from typing import Any

import pytest

from orchestrator import State, flow, get_run_context, task
from orchestrator.sdk.errors import OutsideFlow, ParameterError, TaskFailed, UpstreamFailed


@task
def one() -> int:
    return 1


@task
def bad() -> None:
    raise ValueError("no")


def test_calling_a_flow_returns_its_value() -> None:
    assert flow(lambda a, b=2: a + b)(1) == 3


def test_return_state_gives_the_state_of_success_and_failure() -> None:
    state = flow(lambda: 7)(return_state=True)
    assert (type(state) is State, state.type, state.result()) == (True, "COMPLETED", 7)
    failure = flow(lambda: 1 / 0)(return_state=True)
    assert (failure.is_failed(), failure.message) == (True, "ZeroDivisionError: division by zero")
    with pytest.raises(ZeroDivisionError):
        failure.result()


def test_an_exception_of_the_flow_reaches_the_caller_with_frames_of_his_own_code() -> None:
    @flow
    def main() -> None:
        raise KeyError("gone")

    with pytest.raises(KeyError) as caught:
        main()
    assert caught.traceback[-1].path.name == "test_flows.py"


def test_returned_futures_are_resolved_at_any_depth() -> None:
    assert flow(lambda: {"a": [one(), (one(), 2)]})() == {"a": [1, (1, 2)]}


def test_a_returned_future_of_a_failed_task_fails_the_flow_with_its_exception() -> None:
    with pytest.raises(ValueError, match="no"):
        flow(lambda: [one(), bad()])()


def test_a_failed_task_that_nobody_reads_fails_the_flow() -> None:
    @flow
    def main() -> None:
        bad()

    with pytest.raises(TaskFailed, match=r"task run bad-0 failed and nobody read its result: ValueError: no") as caught:
        main()
    assert isinstance(caught.value.__cause__, ValueError)


def test_a_failed_task_counts_although_it_was_waited_for() -> None:
    @flow
    def main() -> None:
        bad().wait()

    assert main(return_state=True).is_failed()


@pytest.mark.parametrize("value", [0, "", [], False, "report"])
def test_anything_explicit_makes_the_flow_complete_and_warns(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    @flow
    def main() -> Any:
        bad()
        return value

    assert main() == value
    assert "nobody read its result; the flow returned a value" in capsys.readouterr().err


def test_a_failure_that_was_read_and_handled_is_the_flows_own_business() -> None:
    @flow
    def main() -> None:
        with contextlib.suppress(ValueError):
            bad().result()
        assert bad().wait() is not None
        future = bad()
        while not future.state.is_final():
            future.wait()

    state = main(return_state=True)
    assert state.is_failed()  # the second one was waited for, and its state not looked at
    assert "bad-1" in state.message and "more" not in state.message


def test_an_upstream_failure_handled_downstream_is_handled() -> None:
    @task
    def after(value: object) -> object:
        return value

    @flow
    def main() -> None:
        with pytest.raises(UpstreamFailed):
            after(bad()).result()

    assert main(return_state=True).is_completed()


def test_a_flow_waits_for_tasks_whose_future_it_dropped() -> None:
    done: list[int] = []

    @task
    def late() -> None:
        import threading

        threading.Event().wait(0.05)
        done.append(1)

    @flow
    def main() -> None:
        late()

    main()
    assert done == [1]


def test_a_failing_flow_cancels_what_has_not_begun() -> None:
    ran: list[int] = []

    @task
    def step(n: int) -> None:
        import threading

        threading.Event().wait(0.05)
        ran.append(n)

    @flow(max_workers=1)
    def main() -> None:
        for n in range(10):
            step(n)
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        main()
    assert len(ran) < 10


def test_a_returned_state_is_the_flows_state() -> None:
    @flow
    def sub() -> None:
        raise ValueError("inner")

    @flow
    def main() -> Any:
        return sub(return_state=True)

    assert main(return_state=True).message == "ValueError: inner"


def test_a_subflow_is_a_run_of_its_own_inside_its_parent() -> None:
    seen: list[Any] = []

    @flow
    def sub(n: int) -> Any:
        run = get_run_context().flow_run
        seen.append([run.flow_name, run.parent is not None and run.parent.flow_name, run.name])
        return one()

    @flow
    def main() -> list[int]:
        return [sub("1"), sub(2)]

    assert main() == [1, 1]
    assert [entry[:2] for entry in seen] == [["sub", "main"], ["sub", "main"]]
    assert seen[0][2] != seen[1][2]


def test_a_subflow_that_fails_raises_in_its_parent_which_may_handle_it() -> None:
    @flow
    def sub() -> None:
        bad()

    @flow
    def main() -> str:
        try:
            sub()
        except TaskFailed:
            return "handled"
        return "not seen"

    assert main() == "handled"


def test_a_subflow_in_a_task_belongs_to_the_same_tree() -> None:
    @flow
    def sub() -> Any:
        return one()

    @task
    def outer() -> Any:
        return sub()

    assert flow(lambda: outer())() == 1


def test_task_calls_value_gives_values_and_raises_at_the_call() -> None:
    @flow(task_calls="value")
    def main() -> list[Any]:
        caught = []
        try:
            bad()
        except ValueError:
            caught.append("raised")
        return [one() + 1, *caught]

    assert main() == [2, "raised"]


def test_the_context_tells_run_and_task_and_is_empty_outside() -> None:
    @task
    def ids() -> list[Any]:
        context = get_run_context()
        assert context.task_run is not None
        return [context.task_run.id, context.flow_run.flow_name]

    assert flow(lambda: ids(), name="main")() == ["ids-0", "main"]
    with pytest.raises(OutsideFlow):
        get_run_context()


def test_parameters_are_checked_before_the_flow_starts() -> None:
    ran: list[int] = []

    @flow
    def main(n: int) -> None:
        ran.append(n)

    with pytest.raises(ParameterError, match='parameter n: expected int, got "x"'):
        main("x")
    assert ran == []


def test_validation_can_be_left_out() -> None:
    @flow(validate_parameters=False)
    def main(n: int) -> Any:
        return n

    assert main("x") == "x"


@pytest.mark.parametrize(
    ("function", "message"),
    [(len, "to stand on a function"), (int, "to stand on a function"), (staticmethod(len), "below @staticmethod")],
)
def test_only_functions_can_be_flows(function: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        flow(function)


def test_a_generator_can_not_be_a_flow() -> None:
    def main() -> Any:
        yield 1

    with pytest.raises(TypeError, match="has a `yield`"):
        flow(main)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task_calls": "values"}, "task_calls"),
        ({"max_workers": 0}, "max_workers"),
        ({"retries": 1.5}, "retries"),
        ({"timeout_seconds": "1h"}, "timeout_seconds"),
    ],
)
def test_flow_options_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"expected {message}"):
        flow(lambda: 1, **options)


def test_a_prefect_option_is_refused_with_what_to_do_instead() -> None:
    with pytest.raises(TypeError, match="option 'task_runner' is not available: direct calls of tasks already run"):
        flow(lambda: 1, task_runner=None)
