"""A task called inside a flow answers with a future at once, and the future refuses to be taken for the value."""

import copy
import operator
import threading
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator import State, TaskFuture, flow, task
from orchestrator.sdk.errors import FutureIsNotAValue


@task
def double(n: int) -> int:
    return 2 * n


def inside_a_flow(use: Callable[[Any], object]) -> object:
    """Apply something to the future of `double`, in a flow."""

    @flow
    def main() -> object:
        return use(double(2))

    return main()


def test_a_direct_call_gives_a_future_before_the_task_has_ended() -> None:
    release = threading.Event()

    @task
    def slow() -> str:
        release.wait(10)
        return "done"

    @flow
    def main() -> list[object]:
        future = slow()
        before = future.state == "COMPLETED"
        release.set()
        return [type(future) is TaskFuture, before, future.result()]

    assert main() == [True, False, "done"]


def test_two_direct_calls_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=10)

    @task
    def meet() -> int:
        return meeting.wait()

    @flow
    def main() -> list[int]:
        first, second = meet(), meet()
        return sorted([first.result(), second.result()])

    assert main() == [0, 1]


def test_result_waits_for_the_value_and_may_be_asked_again() -> None:
    assert inside_a_flow(lambda future: [future.result(), future.result()]) == [4, 4]


def test_wait_gives_the_final_state() -> None:
    state = inside_a_flow(lambda future: [future.wait()])
    assert isinstance(state, list) and isinstance(state[0], State)
    assert state[0].is_completed() and state[0].result() == 4


def test_result_with_a_time_out_raises_while_the_task_goes_on() -> None:
    release = threading.Event()

    @task
    def slow() -> int:
        release.wait(10)
        return 1

    @flow
    def main() -> list[object]:
        future = slow()
        with pytest.raises(TimeoutError, match=r"slow-0 did not end within 0\.01 s"):
            future.result(timeout=0.01)
        nothing = future.wait(timeout=0.01)
        release.set()
        return [nothing, future.result()]

    assert main() == [None, 1]


USES: dict[str, Callable[[Any], object]] = {
    "bool": bool,
    "not": operator.not_,
    "==": lambda future: future == 3,
    "reflected ==": lambda future: future == 3,
    "!=": lambda future: future != 3,
    "<": lambda future: future < 3,
    ">=": lambda future: future >= 3,
    "iteration": list,
    "unpacking": lambda future: operator.itemgetter(0)(tuple(future)),
    "indexing": lambda future: future[0],
    "assignment to an item": lambda future: operator.setitem(future, 0, 1),
    "len": len,
    "in": lambda future: 1 in future,
    "+": lambda future: future + 1,
    "reflected +": lambda future: 1 + future,
    "text +": lambda future: "a" + future,
    "*": lambda future: future * 2,
    "-x": operator.neg,
    "%": lambda future: future % 2,
    "divmod": lambda future: divmod(future, 2),
    "int": int,
    "float": float,
    "range": range,
    "round": round,
    "open": open,
    "call": lambda future: future(),
    "with": lambda future: future.__enter__(),
    "attribute": lambda future: future.columns,
    "method": lambda future: future.append(1),
    "hasattr": lambda future: hasattr(future, "shape"),
    "sum": lambda future: sum([future]),
    "sorted": lambda future: sorted([future, future]),
}


@pytest.mark.parametrize("use", USES.values(), ids=USES.keys())
def test_use_as_a_value_raises_a_type_error_that_names_task_and_result(use: Callable[[Any], object]) -> None:
    def attempt(future: Any) -> str:
        with pytest.raises(TypeError) as caught:
            use(future)
        return str(caught.value)

    message = str(inside_a_flow(attempt))
    assert "the future of task double" in message
    assert "`.result()`" in message


def test_a_pair_can_not_be_unpacked_from_a_future() -> None:
    def attempt(future: Any) -> bool:
        with pytest.raises(FutureIsNotAValue, match="iteration or unpacking"):
            _left, _right = future
        return True

    assert inside_a_flow(attempt)


def test_identity_hash_and_repr_stay_usable() -> None:
    def use(future: Any) -> list[object]:
        return [len({future, future}), {future: 1}[future], future in [future], "double-" in repr(future)]

    assert inside_a_flow(use) == [2 - 1, 1, True, True]


def test_protocols_that_probe_for_special_attributes_get_their_answer() -> None:
    assert inside_a_flow(lambda future: [hasattr(future, "__array__"), copy.copy([future])[0] is future]) == [
        False,
        True,
    ]


def test_a_finished_future_stays_guarded() -> None:
    def use(future: Any) -> bool:
        future.wait()
        with pytest.raises(FutureIsNotAValue):
            bool(future)
        return True

    assert inside_a_flow(use)


def test_the_same_exception_raised_twice_keeps_a_short_traceback() -> None:
    @task
    def bad() -> None:
        raise ValueError("no")

    def depth(error: BaseException) -> int:
        trace, count = error.__traceback__, 0
        while trace is not None:
            trace, count = trace.tb_next, count + 1
        return count

    @flow
    def main() -> list[int]:
        future, depths = bad(), []
        for _ in range(3):
            with pytest.raises(ValueError) as caught:
                future.result()
            depths.append(depth(caught.value))
        return depths

    first, second, third = main()
    assert first == second == third
