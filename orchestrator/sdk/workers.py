"""The threads that tasks run on: a few, started on demand, never stuck waiting for each other.

Built on _thread alone: the threading module costs a quarter of a bare interpreter's start. What users' code sees of
these threads through threading (names, main_thread) is put right in import_hooks.
"""

import _thread
import os
from _collections import deque  # type: ignore[import-not-found]  # the builtin under collections

from orchestrator.sdk import import_hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    Job = Callable[[], None]

DEFAULT_LIMIT = 32


class _Idle:
    """A thread that has nothing to do: it sleeps on `wake` and then finds its job here."""

    __slots__ = ("job", "wake")

    def __init__(self) -> None:
        self.job: Job | None = None
        self.wake = _thread.allocate_lock()
        self.wake.acquire()


class Workers:
    """At most `limit` threads that compute; a thread that waits for another task does not count.

    1. A job goes to an idle thread, else to a new one, else it queues.
    2. A thread about to wait gives its place to a queued job, so nested waiting never comes to a standstill.
    3. Threads are never joined: the flow waits for its futures, and an abandoned task must not hold up the end.
    """

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self.limit = limit
        self._guard = _thread.allocate_lock()
        self._jobs: deque[Job] = deque()
        self._idle: list[_Idle] = []
        self._members: set[int] = set()
        self._threads = 0
        self._waiting = 0

    def run(self, job: "Job") -> None:
        """Have the job run soon, on some thread; it must not raise."""
        with self._guard:
            if self._idle:
                idle = self._idle.pop()
                idle.job = job
                idle.wake.release()
                return
            if self._threads - self._waiting >= self.limit or not self._start(job):
                self._jobs.append(job)

    def _start(self, job: "Job") -> bool:
        try:
            _thread.start_new_thread(self._serve, (job,))
        except RuntimeError:
            # The host refuses more threads: the ones there are will come to it, and a first one must exist.
            if not self._threads:
                raise
            return False
        self._threads += 1
        return True

    def _serve(self, first: "Job") -> None:
        me = _thread.get_ident()
        self._members.add(me)
        job: Job | None = first
        while job is not None:
            job()
            job = self._next(me)

    def _next(self, me: int) -> "Job | None":
        with self._guard:
            if self._threads - self._waiting > self.limit:
                self._threads -= 1
                self._members.discard(me)
                return None
            if self._jobs:
                job: Job = self._jobs.popleft()
                return job
            idle = _Idle()
            self._idle.append(idle)
        idle.wake.acquire()
        return idle.job

    def enter_wait(self) -> bool:
        """The current thread is about to wait; True when it is one of ours and must call leave_wait afterwards."""
        if _thread.get_ident() not in self._members:
            return False
        with self._guard:
            self._waiting += 1
            if self._jobs and not self._idle and self._threads - self._waiting < self.limit:
                job = self._jobs.popleft()
                if not self._start(job):
                    self._jobs.appendleft(job)
        return True

    def leave_wait(self) -> None:
        with self._guard:
            self._waiting -= 1

    def adopt(self, ident: int) -> None:
        """Count this thread as the one that started it and now waits for it (a task with a time-out)."""
        self._members.add(ident)

    def dismiss(self, ident: int) -> None:
        self._members.discard(ident)


class waiting:
    """Around every blocking wait: lets another job run meanwhile if this thread is a worker."""

    __slots__ = ("_counted",)

    def __enter__(self) -> None:
        self._counted = _workers.enter_wait() if _workers is not None else False

    def __exit__(self, kind: "type | None", error: "BaseException | None", trace: "TracebackType | None") -> None:
        if self._counted and _workers is not None:
            _workers.leave_wait()


_workers: Workers | None = None
_limit = DEFAULT_LIMIT


def workers() -> Workers:
    """The threads of this process; made on first use."""
    global _workers
    if _workers is None:
        import_hooks.after_import("threading", import_hooks.know_main_thread)
        _workers = Workers(_limit)
    return _workers


def set_limit(limit: int | None) -> None:
    """How many tasks may compute at once, as the root flow wants it."""
    global _limit
    _limit = limit or DEFAULT_LIMIT
    if _workers is not None:
        _workers.limit = _limit


def _forget() -> None:
    # A forked child has none of these threads, and maybe one of their locks held for ever.
    global _workers
    _workers = None


os.register_at_fork(after_in_child=_forget)
