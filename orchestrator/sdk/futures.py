"""The future of a task run: a value that is still being made, and refuses to be taken for that value."""

import _thread
import sys

from orchestrator.sdk import workers
from orchestrator.sdk.errors import FutureIsNotAValue, WouldBlockLoop
from orchestrator.sdk.states import PENDING, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any, NoReturn

_guard = _thread.allocate_lock()  # held for a few instructions only: one lock for all futures is enough

# A signal that comes in the moment before a lock blocks is seen by Python only after the lock: Ctrl-C and time limits
# must not wait for a task that hangs, so waiting is done in slices.
_SLICE = 0.5


def _guarded(use: str) -> "Callable[..., NoReturn]":
    def refuse(self: "TaskFuture", *_: object) -> "NoReturn":
        self._refuse(use)

    return refuse


_USES = {
    "bool() or a condition was applied": "bool",
    "a comparison was made": "eq ne lt le gt ge",
    "iteration or unpacking was tried": "iter next reversed",
    "indexing was tried": "getitem setitem delitem",
    "len() was called": "len",
    "`in` was applied": "contains",
    "a call was made": "call",
    "`with` was applied": "enter exit",
    "a number was wanted": "int float complex index round trunc floor ceil",
    "a path was wanted": "fspath",
    "bytes were wanted": "bytes",
    "arithmetic was done": "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor "
    "radd rsub rmul rmatmul rtruediv rfloordiv rmod rdivmod rpow rlshift rrshift rand ror rxor "
    "iadd isub imul imatmul itruediv ifloordiv imod ipow ilshift irshift iand ior ixor "
    "neg pos abs invert",
}
# Made in one go: setting eighty special methods on a finished class costs each flow's process a third of a millisecond.
_REFUSALS = {
    f"__{name}__": refuse for use, names in _USES.items() for refuse in [_guarded(use)] for name in names.split()
}
_Guards: "Any" = type("_Guards", (), {"__slots__": (), **_REFUSALS})


class TaskFuture(_Guards):  # type: ignore[misc]
    """What calling a task inside a flow returns.

    ``.result()`` waits for the value, ``.wait()`` for the end, ``.state`` looks. Any use as the value itself raises
    TypeError with the task's name; ``==`` does too, while identity and hash stay usable for sets and dict keys.
    """

    __slots__ = ("_callbacks", "_latch", "_state", "id", "loop", "task_name", "was_read")

    def __init__(self, task_name: str, id: str) -> None:
        self.task_name = task_name
        self.id = id
        self.loop: object = None  # the event loop that has to do the work, for a task that is a coroutine
        self.was_read = False
        self._state = State(PENDING)
        self._callbacks: list[Callable[[TaskFuture], None]] = []
        self._latch = _thread.allocate_lock()
        self._latch.acquire()

    def result(self, timeout: float | None = None, raise_on_failure: bool = True) -> "Any":
        """The task's return value; raises what the task raised, TimeoutError after `timeout` seconds of waiting."""
        if not self._await_end(timeout):
            raise TimeoutError(f"task run {self.id} did not end within {timeout} s")
        self.was_read = True
        return self._state.result(raise_on_failure)

    def wait(self, timeout: float | None = None) -> State | None:
        """The final state once the task is over, or None when it is not after `timeout` seconds."""
        return self._state if self._await_end(timeout) else None

    @property
    def state(self) -> State:
        """The state right now. Looking at a final one counts as having read the result."""
        state = self._state
        if state.is_final():
            self.was_read = True
        return state

    @property
    def name(self) -> str:
        return self.id

    def done(self) -> bool:
        """Whether the task is over."""
        return self._state.is_final()

    def peek(self) -> State:
        """The state right now, without counting as having read it."""
        return self._state

    def moved(self, state: State) -> None:
        """The task run takes a new state; a final one releases all who wait."""
        with _guard:
            if self._state.is_final():
                return
            self._state = state
            if not state.is_final():
                return
            callbacks, self._callbacks = self._callbacks, []
        self._latch.release()
        for callback in callbacks:
            callback(self)

    def when_done(self, callback: "Callable[[TaskFuture], None]") -> None:
        """Call this with the future once it is over, in whichever thread ends it; at once if it is over already."""
        with _guard:
            if not self._state.is_final():
                self._callbacks.append(callback)
                return
        callback(self)

    def _await_end(self, timeout: float | None) -> bool:
        if self._state.is_final():
            return True
        events = sys.modules.get("asyncio.events")
        if self.loop is not None and events is not None and events._get_running_loop() is self.loop:
            raise WouldBlockLoop(
                f"task {self.task_name} runs in the event loop that this call would block: "
                f"write `await` before the future of task {self.task_name}"
            )
        left = timeout
        with workers.waiting():
            while not self._latch.acquire(timeout=_SLICE if left is None else max(0.0, min(_SLICE, left))):
                left = None if left is None else left - _SLICE
                if left is not None and left <= 0:
                    return self._state.is_final()
            self._latch.release()
        return True

    def __await__(self) -> "Generator[Any, None, Any]":
        from orchestrator.sdk.coroutines import end_of

        yield from end_of(self).__await__()
        return self.result()

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        return f"<future of task run {self.id}: {self._state}>"

    def __getattr__(self, name: str) -> "Any":
        if name.startswith("__"):  # protocols are probed this way (copy, pickle, notebooks): they expect this answer
            raise AttributeError(name)
        self._refuse(f"attribute {name!r} was read")

    def _refuse(self, use: str) -> "NoReturn":
        task = self.task_name
        raise FutureIsNotAValue(
            f"{use} on the future of task {task}, which is not its value: write `.result()` after the call of {task} "
            f'to wait for the value (or @flow(task_calls="value") to get values from every direct call)'
        )
