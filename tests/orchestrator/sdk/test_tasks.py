"""Tasks: plain outside a flow, submitted inside one, resolved from upstream futures, mapped, and renamed."""

import inspect
import threading
from typing import Any, NamedTuple

import pytest

from orchestrator import allow_failure, flow, task, unmapped
from orchestrator.sdk.errors import OutsideFlow, UpstreamFailed


@task
def add(a: int, b: int = 1) -> int:
    """Add two numbers."""
    return a + b


@task
def total(numbers: Any) -> int:
    values = numbers.values() if isinstance(numbers, dict) else numbers
    return sum(values)


@task
def bad(text: str = "no") -> None:
    raise ValueError(text)


class Pair(NamedTuple):
    left: object
    right: object


def run(body: Any, **options: Any) -> Any:
    """Run a function as a flow."""
    return flow(name="main", **options)(body)()


def test_outside_a_flow_a_task_is_a_plain_call() -> None:
    assert add(1, b=2) == 3
    assert add.fn(1) == 2


@pytest.mark.parametrize("call", [lambda: add.submit(1), lambda: add.map([1])])
def test_submit_and_map_outside_a_flow_say_what_to_do(call: Any) -> None:
    with pytest.raises(OutsideFlow, match=r"task add: .* call add\(\.\.\.\) for a plain call"):
        call()


def test_futures_in_arguments_lists_tuples_sets_and_dicts_are_resolved_before_the_task_starts() -> None:
    def main() -> list[int]:
        one, two = add(0), add(a=1)
        shapes: list[Any] = [[one, two], (one, two), {one, two}, {"x": one, "y": two}, Pair(one, two), [3 * 1]]
        futures = [total(shape) for shape in shapes] + [add(one, b=two), total([add(one), *[two]])]
        return [future.result() for future in futures]

    assert run(main) == [3, 3, 3, 3, 3, 3, 3, 4]


def test_nested_containers_are_resolved_and_others_passed_as_they_are() -> None:
    seen: list[Any] = []
    keep = [1, 2]

    @task
    def take(nested: Any, plain: Any) -> None:
        seen.extend([nested, plain is keep])

    run(lambda: take({"a": [(add(1), {"b": add(2)})]}, keep).result())
    assert seen == [{"a": [(2, {"b": 3})]}, True]


def test_a_list_that_contains_itself_is_no_trouble() -> None:
    loop: list[Any] = []
    loop.append(loop)

    @task
    def length(value: list[Any]) -> int:
        return len(value)

    assert run(lambda: length(loop).result()) == 1


def test_an_upstream_failure_fails_the_dependent_and_names_the_cause() -> None:
    def main() -> str:
        dependent = add(bad("broken input"))
        with pytest.raises(UpstreamFailed) as caught:
            dependent.result()
        assert isinstance(caught.value.__cause__, ValueError)
        return f"{dependent.state.name}: {caught.value}"

    assert run(main) == "UpstreamFailed: upstream task run bad-0 failed: ValueError: broken input"


def test_a_long_chain_below_a_failure_fails_to_its_end() -> None:
    def main() -> str:
        last = bad()
        for _ in range(2000):
            last = add(last)
        return str(last.wait().name)

    assert run(main) == "UpstreamFailed"


def test_wait_for_delays_the_start_and_passes_failures_on() -> None:
    order: list[str] = []

    @task
    def note(word: str) -> None:
        order.append(word)

    def main() -> str:
        first = note("first")
        note("second", wait_for=[first]).result()
        return str(note("never", wait_for=[bad()]).wait().name)

    assert run(main) == "UpstreamFailed"
    assert order == ["first", "second"]


def test_allow_failure_passes_the_exception_on_as_the_value() -> None:
    @task
    def name_of(value: object) -> str:
        return type(value).__name__

    assert run(lambda: name_of(allow_failure(bad())).result()) == "ValueError"


def test_map_fans_out_over_iterables_and_keeps_the_rest_fixed() -> None:
    def main() -> list[Any]:
        numbers = add.map([1, 2, 3], b=10)
        return [numbers.result(), add.map(range(3), [5, 6, 7]).result(), total.map([[1, 2], [3]]).result()]

    assert run(main) == [[11, 12, 13], [5, 7, 9], [3, 3]]


def test_map_takes_unmapped_lists_and_futures_of_lists() -> None:
    @task
    def numbers() -> list[int]:
        return [1, 2]

    @task
    def both(n: int, others: list[int]) -> int:
        return n + sum(others)

    assert run(lambda: both.map(numbers(), unmapped([10, 20])).result()) == [31, 32]


@pytest.mark.parametrize("arguments", [([1, 2], [1]), (1, 2)])
def test_map_without_one_common_length_is_refused(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"map\(\) expected iterables of one length"):
        run(lambda: add.map(*arguments))


def test_submit_is_the_same_as_a_call_and_returns_a_future_also_with_task_calls_value() -> None:
    def main() -> list[object]:
        return [add(1), type(add.submit(1)).__name__, add.submit(1).result()]

    assert run(main, task_calls="value") == [2, "TaskFuture", 2]


def test_return_state_waits_and_gives_the_state() -> None:
    assert run(lambda: [str(add(1, return_state=True)), str(bad(return_state=True))]) == ["COMPLETED", "FAILED"]


def test_a_task_may_call_tasks_and_return_their_future() -> None:
    @task
    def outer(n: int) -> Any:
        return add(add(n))

    assert run(lambda: outer(1).result()) == 3


def test_a_task_that_exits_has_failed() -> None:
    @task
    def leave() -> None:
        raise SystemExit(3)

    assert run(lambda: [leave().wait().is_failed()]) == [True]


def test_context_variables_of_the_caller_are_seen_by_the_task() -> None:
    import contextvars

    tenant = contextvars.ContextVar("tenant", default="nobody")

    @task
    def who() -> str:
        return tenant.get()

    def main() -> str:
        tenant.set("acme")
        return str(who().result())

    assert run(main) == "acme"


def test_a_task_keeps_the_functions_face_and_options_can_be_changed_in_a_copy() -> None:
    other = add.with_options(name="plus", retries=2)
    assert (add.__name__, add.__doc__, str(inspect.signature(add))) == (
        "add",
        "Add two numbers.",
        "(a: int, b: int = 1) -> int",
    )
    assert (other.name, other.retries, other.fn is add.fn, add.retries) == ("plus", 2, True, 0)


def test_methods_can_be_tasks_and_flows() -> None:
    class Shop:
        price = 7

        @task
        def total(self, n: int) -> int:
            return self.price * n

        @flow
        def sell(self, n: int) -> Any:
            return self.total(n)

    assert Shop().sell("3") == 21


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"retries": -1}, "retries to be a whole number from 0"),
        ({"retries": 10**9}, "to 10000, got 1000000000"),
        ({"retries": True}, "got True"),
        ({"retry_delay_seconds": -1}, "retry_delay_seconds"),
        ({"retry_delay_seconds": [1, 2]}, "a fixed number of seconds"),
        ({"retry_delay_seconds": float("nan")}, "got nan"),
        ({"timeout_seconds": 0}, "above 0"),
        ({"tags": "ml"}, "a list of texts"),
        ({"name": " "}, "printable"),
    ],
)
def test_options_out_of_range_are_refused_with_the_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        task(lambda: 1, **options)


@pytest.mark.parametrize("option", ["cache_key_fn", "log_prints", "task_run_name", "no_such_thing"])
def test_an_option_that_does_not_exist_here_is_refused_with_what_to_do(option: str) -> None:
    with pytest.raises(TypeError, match=f"option '{option}' is not available: "):
        task(lambda: 1, **{option: None})


def test_nested_waiting_on_few_workers_never_stands_still() -> None:
    @task
    def nest(depth: int) -> int:
        return 1 + nest(depth - 1).result() if depth else 0

    assert run(lambda: nest(40).result(), max_workers=1) == 40


def test_no_more_tasks_compute_at_once_than_max_workers() -> None:
    guard, running, most = threading.Lock(), [0], [0]

    @task
    def step(_: int) -> None:
        with guard:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.01)
        with guard:
            running[0] -= 1

    run(lambda: step.map(range(20)).wait(), max_workers=3)
    assert most[0] == 3
