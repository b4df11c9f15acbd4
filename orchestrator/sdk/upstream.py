"""Futures among a task's arguments or a flow's return value: finding them, and putting the values in their place."""

from orchestrator.sdk.futures import TaskFuture

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_CONTAINERS = (list, tuple, dict, set, frozenset)


class unmapped:
    """Around an argument of .map(): pass it whole to every call, although it could be iterated over."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


class allow_failure:
    """Around an upstream future: if its task failed, pass the exception on as the value instead of failing too."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


_WORTH_A_LOOK = (TaskFuture, allow_failure, *_CONTAINERS)


def futures_in(value: object) -> list[TaskFuture]:
    """Every future in a value, in lists, tuples, sets and dicts (values, not keys) at any depth; each one once."""
    found: dict[int, TaskFuture] = {}
    _collect(value, found, set())
    return list(found.values())


def _collect(value: object, found: dict[int, TaskFuture], seen: set[int]) -> None:
    if isinstance(value, TaskFuture):
        found[id(value)] = value
    elif isinstance(value, _CONTAINERS):
        if id(value) in seen:  # a list may contain itself
            return
        seen.add(id(value))
        for item in value.values() if isinstance(value, dict) else value:
            if isinstance(item, _WORTH_A_LOOK):
                _collect(item, found, seen)
    elif type(value) is allow_failure:
        _collect(value.value, found, seen)


def failure_tolerated(value: object) -> set[int]:
    """Ids of the futures that stand under allow_failure in an argument or directly in its lists and dicts."""
    tolerated: set[int] = set()
    items: list[object] = [value]
    if isinstance(value, _CONTAINERS):
        items = list(value.values() if isinstance(value, dict) else value)
    for item in items:
        if type(item) is allow_failure:
            tolerated.update(id(future) for future in futures_in(item.value))
    return tolerated


def resolved(value: object) -> object:
    """The value with every future replaced by its result; the same object when there is none inside.

    Waits for those that are not over; raises what a failed task raised.
    """
    if isinstance(value, TaskFuture):
        return value.result()
    if type(value) is allow_failure:
        return _tolerant(value.value)
    if not isinstance(value, _CONTAINERS) or not _has_any(value):
        return value
    if isinstance(value, dict):
        return {key: resolved(item) for key, item in value.items()}
    items: list[Any] = [resolved(item) for item in value]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*items)
    for kind in (list, tuple, set, frozenset):
        if isinstance(value, kind):
            return kind(items)
    return value


def _has_any(value: object) -> bool:
    if futures_in(value):
        return True
    items = value.values() if isinstance(value, dict) else value
    return any(type(item) is allow_failure for item in items)  # type: ignore[attr-defined]


def _tolerant(value: object) -> object:
    if isinstance(value, TaskFuture):
        return value.result(raise_on_failure=False)
    return resolved(value)
