"""`async def` flows and tasks, and every mixture with plain ones."""

import asyncio
import subprocess
import sys
import time
from typing import Any

import pytest

from orchestrator import flow, task
from orchestrator.sdk.errors import TaskFailed, TaskTimedOut, UpstreamFailed, WouldBlockLoop


@task
async def add(a: Any, b: int = 1) -> Any:
    await asyncio.sleep(0)
    return a + b


@task
def plain_add(a: Any, b: int = 1) -> Any:
    return a + b


@task
async def bad() -> None:
    raise ValueError("no")


def test_an_async_flow_is_awaited_and_its_tasks_futures_too() -> None:
    @flow
    async def main(n: int) -> list[Any]:
        future = add(n)
        return [await future, await plain_add(n), await add(plain_add(add(n)))]

    assert asyncio.run(main("1")) == [2, 2, 4]


def test_async_tasks_run_at_the_same_time_in_the_flows_own_loop() -> None:
    @task
    async def meet(barrier: Any) -> Any:
        await barrier.wait()
        return asyncio.get_running_loop()

    @flow
    async def main() -> list[bool]:
        barrier = asyncio.Barrier(2)
        loops = await asyncio.gather(meet(barrier), meet(barrier))
        return [loop is asyncio.get_running_loop() for loop in loops]

    assert asyncio.run(main()) == [True, True]


def test_a_plain_flow_may_call_async_tasks() -> None:
    assert flow(lambda: [add(1).result(), add(add(plain_add(1)))])() == [2, 4]


def test_async_tasks_of_a_plain_flow_share_one_loop() -> None:
    @task
    async def loop() -> int:
        return id(asyncio.get_running_loop())

    first, second = flow(lambda: [loop(), loop()])()
    assert first == second


def test_a_plain_flow_calling_an_async_flow_gets_its_value() -> None:
    @flow
    async def sub() -> Any:
        return await add(1)

    assert flow(lambda: sub() + 1)() == 3


def test_an_async_flow_calling_flows_of_both_kinds() -> None:
    @flow
    async def async_sub() -> Any:
        return await add(1)

    @flow
    def sub() -> Any:
        return add(2).result()

    @flow
    async def main() -> list[Any]:
        return [await async_sub(), sub()]

    assert asyncio.run(main()) == [2, 3]


def test_outside_a_flow_an_async_task_is_its_coroutine() -> None:
    assert asyncio.run(add(1)) == 2


def test_blocking_on_a_task_of_the_same_loop_is_refused_with_the_word_await() -> None:
    @flow
    async def main() -> str:
        future = add(1)
        with pytest.raises(WouldBlockLoop, match="write `await` before the future of task add"):
            future.result()
        return str(await future)

    assert asyncio.run(main()) == "2"


def test_a_finished_task_may_be_read_without_await() -> None:
    @flow
    async def main() -> Any:
        future = add(1)
        await future
        return future.result()

    assert asyncio.run(main()) == 2


def test_unread_failures_and_upstream_failures_count_as_in_plain_flows() -> None:
    @flow
    async def unread() -> None:
        bad()

    @flow
    async def downstream() -> None:
        await add(bad())

    with pytest.raises(TaskFailed, match="bad-0"):
        asyncio.run(unread())
    with pytest.raises(UpstreamFailed, match="ValueError: no"):
        asyncio.run(downstream())


def test_returned_futures_are_resolved() -> None:
    @flow
    async def main() -> Any:
        return {"a": [add(1), plain_add(2)]}

    assert asyncio.run(main()) == {"a": [2, 3]}


def test_task_calls_value_gives_values_of_plain_tasks_and_awaitables_of_async_ones() -> None:
    @flow(task_calls="value")
    async def main() -> list[Any]:
        return [plain_add(1), await add(1)]

    assert asyncio.run(main()) == [2, 2]


def test_retries_and_time_limits_work_on_async_tasks() -> None:
    calls: list[int] = []

    @task(retries=1, timeout_seconds=0.2)
    async def second_time() -> int:
        calls.append(1)
        await asyncio.sleep(30 if len(calls) == 1 else 0)
        return len(calls)

    assert flow(lambda: second_time())() == 2


def test_an_async_task_over_its_time_is_cancelled_not_abandoned() -> None:
    cancelled: list[int] = []

    @task(timeout_seconds=0.1)
    async def hang() -> None:
        try:
            await asyncio.sleep(30)
        except asyncio.CancelledError:
            cancelled.append(1)
            raise

    @flow
    async def main() -> None:
        await hang()

    with pytest.raises(TaskTimedOut, match="hang-0"):
        asyncio.run(main())
    assert cancelled == [1]


def test_a_tasks_own_time_out_error_is_not_taken_for_the_limit() -> None:
    @task(timeout_seconds=30)
    async def own() -> None:
        raise TimeoutError("the server's")

    with pytest.raises(TimeoutError, match="the server's"):
        flow(lambda: own())()


def test_an_async_flow_over_its_time_ends_timed_out() -> None:
    @flow(timeout_seconds=0.2)
    async def main() -> None:
        await asyncio.sleep(30)

    started = time.monotonic()
    assert asyncio.run(main(return_state=True)).name == "TimedOut"
    assert time.monotonic() - started < 10


def test_an_async_flow_is_retried() -> None:
    calls: list[int] = []

    @flow(retries=1)
    async def main() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise ValueError("first")
        return len(calls)

    assert asyncio.run(main()) == 2


def test_asyncio_is_loaded_only_for_async_code() -> None:
    code = "import sys; from orchestrator import flow, task\n"
    code += "t = task(lambda: 1)\nflow(lambda: t())()\nprint('asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
