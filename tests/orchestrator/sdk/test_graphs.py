"""Any graph of tasks, on any number of workers, ends as plain arithmetic says, and never stands still."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import flow, task
from orchestrator.sdk import context


class Silent:
    """A reporter that says nothing: thousands of lines would only slow the search down."""

    def log(self, *_: object) -> None: ...

    flow_moved = task_moved = log


@task
def node(upstream: list[Any], fails: bool, nested: int) -> int:
    """One more than the sum of what came before; some fail, some call tasks themselves and wait for them."""
    if fails:
        raise ValueError("this one fails")
    inner = [node([n], False, 0) for n in range(nested)]
    return 1 + sum(upstream) + sum(future.result() for future in inner)


NODES = st.lists(st.tuples(st.lists(st.integers(0, 30), max_size=3), st.booleans(), st.integers(0, 2)), max_size=14)


def expected(nodes: list[tuple[list[int], bool, int]]) -> list[int | None]:
    """What each node amounts to; None for one that fails or depends on one that does."""
    values: list[int | None] = []
    for place, (upstream, fails, nested) in enumerate(nodes):
        before = [values[index % place] for index in upstream] if place else []
        known = [value for value in before if value is not None]
        failed = fails or len(known) < len(before)
        values.append(None if failed else 1 + sum(known) + sum(1 + n for n in range(nested)))
    return values


@settings(max_examples=60, deadline=None)
@given(nodes=NODES, limit=st.integers(1, 4))
def test_every_graph_ends_as_arithmetic_says(nodes: list[tuple[list[int], bool, int]], limit: int) -> None:
    @flow(max_workers=limit)
    def main() -> list[int | None]:
        futures: list[Any] = []
        for place, (upstream, fails, nested) in enumerate(nodes):
            before = [futures[index % place] for index in upstream] if place else []
            futures.append(node(before, fails, nested))
        states = [future.wait() for future in futures]
        return [state.result() if state.is_completed() else None for state in states]

    context.report_to(Silent())
    try:
        assert main() == expected(nodes)
    finally:
        context.report_to(None)
