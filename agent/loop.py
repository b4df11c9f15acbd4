"""The one loop of a supervisor: descriptors, timers, messages of threads. No thread per run, no work of its own."""

import heapq
import os
import select
from collections import deque
from collections.abc import Callable, Hashable
from contextlib import suppress
from itertools import count
from typing import Any

from agent.kernel import boot_time

LONGEST_WAIT = 60.0


class Mailbox:
    """Messages of threads to the loop: any thread posts, the loop collects."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._messages: deque[Any] = deque()

    def post(self, message: Any) -> None:
        """Leave a message and wake the loop."""
        self._messages.append(message)
        os.eventfd_write(self.fd, 1)

    def collect(self) -> list[Any]:
        """Take all messages that are there, oldest first."""
        with suppress(BlockingIOError):
            os.eventfd_read(self.fd)
        return [self._messages.popleft() for _ in range(len(self._messages))]


class Loop:
    """Epoll and a heap of timers. Timers have names: setting one again moves it."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._handlers: dict[int, Callable[[int], object]] = {}
        self._timers: dict[Hashable, tuple[float, int, Callable[[], object]]] = {}
        self._heap: list[tuple[float, int, Hashable]] = []
        self._numbers = count()

    def watch(self, fd: int, handler: Callable[[int], object], events: int = select.EPOLLIN) -> None:
        """Call `handler(events)` when something happens on a descriptor."""
        self._handlers[fd] = handler
        self._epoll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Wait for other events on a watched descriptor; 0 leaves only its end and its errors."""
        self._epoll.modify(fd, events)

    def unwatch(self, fd: int) -> None:
        """Forget a descriptor, before it is closed."""
        if self._handlers.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    def call_at(self, at: float, name: Hashable, call: Callable[[], object]) -> None:
        """Call once at a moment of `boot_time`, instead of whatever was to be called under this name."""
        number = next(self._numbers)
        self._timers[name] = (at, number, call)
        heapq.heappush(self._heap, (at, number, name))

    def call_not(self, name: Hashable) -> None:
        """Cancel what was to be called under this name, if anything."""
        self._timers.pop(name, None)

    def run_once(self) -> None:
        """Wait for the next thing to happen and deal with all that has."""
        # Handlers may unwatch each other's descriptors: what is gone by then is skipped.
        for fd, events in self._epoll.poll(self._wait()):
            if (handler := self._handlers.get(fd)) is not None:
                handler(events)
        self._run_timers()

    def _wait(self) -> float:
        self._drop_stale()
        if not self._heap:
            return LONGEST_WAIT
        # Rounded up: epoll counts whole milliseconds, and waking before the moment only makes another round.
        return min(LONGEST_WAIT, max(0.0, self._heap[0][0] - boot_time() + 0.0005))

    def _run_timers(self) -> None:
        now = boot_time()
        while True:
            self._drop_stale()
            if not self._heap or self._heap[0][0] > now:
                return
            _, _, name = heapq.heappop(self._heap)
            self._timers.pop(name)[2]()

    def _drop_stale(self) -> None:
        while self._heap:
            _, number, name = self._heap[0]
            timer = self._timers.get(name)
            if timer is not None and timer[1] == number:
                return
            heapq.heappop(self._heap)
