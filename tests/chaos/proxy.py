"""A proxy in front of Redis that does to connections what networks do to them, for each of its doors alone.

A door is one listening address of 127.0.0.1 (or of another host): every agent, scheduler and client gets its own, so
that one of them can be cut off while the others see Redis. When Redis is gone, all doors are shut: connecting is
refused, as it would be without a proxy. What really struck a connection is counted by kind in `struck`.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

from tests.chaos.links import ARMED, AT_ONCE, CUT, CUT_OFF, DELAY, HALF_OPEN, LASTING, Door, Link, reset

FIRST_PORT, LAST_PORT = 20_000, 30_000
"""Below the ports that the system gives to outgoing connections: a door that is shut keeps its number."""


class Proxy:
    """Doors to the Redis at a unix socket; everything happens in one thread of its own."""

    def __init__(self, redis_socket: Path, seed: int = 0) -> None:
        self.redis_socket = redis_socket
        self.doors: dict[str, Door] = {}
        self.struck: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._shut = self._looking = False
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()

    # ---------------------------------------------------------------- asked from other threads
    def door(self, name: str, host: str = "127.0.0.1") -> Door:
        """Make a door, or give the one that there is of this name."""
        return self._ask(self._make_door(name, host))

    def strike(self, name: str, kind: str, seconds: float = 0.0) -> int:
        """Do one of `KINDS` to a door: at once, to the next reply, or for so long; gives how many links it has."""
        return self._ask(self._strike(self.doors[name], kind, seconds))

    def shut(self) -> None:
        """Refuse everybody until `open`; who is connected is reset."""
        self._ask(self._shut_all(for_good=True))

    def open(self) -> None:
        """Let everybody in again."""
        self._ask(self._open_all())

    def heal(self) -> None:
        """Undo what lasts."""
        self._ask(self._heal())

    def close(self) -> None:
        """End everything."""
        if self._thread.is_alive():
            self._ask(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)
            self._loop.close()

    def _ask(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(30)

    # ---------------------------------------------------------------- in the loop
    def hit(self, kind: str) -> None:
        """Count that something was really struck."""
        self.struck[kind] += 1

    def is_struck(self, door: Door, kind: str) -> bool:
        """Whether a lasting kind is on."""
        return door.until.get(kind, 0.0) > self._loop.time()

    async def hold_up(self, door: Door) -> None:
        """Hold what passes for as long as the door is cut off, or a little when it is slow; nothing is dropped."""
        if self.is_struck(door, DELAY):
            self.hit(DELAY)
            await asyncio.sleep(self._random.uniform(0.01, 0.3))
        if self.is_struck(door, CUT_OFF):
            self.hit(CUT_OFF)
        while self.is_struck(door, CUT_OFF):
            await asyncio.sleep(0.02)

    async def _make_door(self, name: str, host: str) -> Door:
        if name not in self.doors:
            self.doors[name] = Door(name, self._bound(host))
            self._accept(self.doors[name], True)
        return self.doors[name]

    def _bound(self, host: str) -> socket.socket:
        for _ in range(1000):
            made = socket.socket()
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                made.bind((host, random.randint(FIRST_PORT, LAST_PORT)))
                made.setblocking(False)
                return made
            except OSError:
                made.close()
        raise OSError(f"no port of {host} between {FIRST_PORT} and {LAST_PORT} is free")

    def _accept(self, door: Door, on: bool) -> None:
        if on == door.accepting:
            return
        door.accepting = on
        if on:
            door.listener.listen(128)
            self._loop.add_reader(door.listener, self._arrived, door)
        else:
            self._loop.remove_reader(door.listener)
            door.listener.shutdown(socket.SHUT_RD)  # refuses from now on, and keeps the number

    def _arrived(self, door: Door) -> None:
        with contextlib.suppress(OSError):
            client, _ = door.listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._go(self._serve(door, client))

    def _go(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, door: Door, arrived: socket.socket) -> None:
        client = await asyncio.open_connection(sock=arrived)
        await self.hold_up(door)
        try:
            server = await asyncio.open_unix_connection(str(self.redis_socket))
        except OSError:
            reset(client[1])
            await self._shut_all()
            return
        link = Link(self, door, client, server)
        door.links.add(link)
        try:
            with contextlib.suppress(OSError):
                await link.carry()
        finally:
            door.links.discard(link)

    async def _strike(self, door: Door, kind: str, seconds: float) -> int:
        links = list(door.links)
        if kind in LASTING:
            door.until[kind] = self._loop.time() + seconds
        for link in links:
            if kind == CUT:
                link.reset()
            elif kind == HALF_OPEN:
                link.silent = True
            elif kind in ARMED:
                link.armed = kind
        if kind in AT_ONCE:
            self.struck[kind] += len(links)
        return len(links)

    async def _shut_all(self, for_good: bool = False) -> None:
        self._shut = self._shut or for_good
        for door in self.doors.values():
            self._accept(door, False)
            for link in [link for link in door.links if not link.silent]:
                link.reset()
        if not for_good and not self._looking:
            self._go(self._open_when_back())

    async def _open_when_back(self) -> None:
        """Redis was gone: refuse until it is back."""
        self._looking = True
        while not self._shut and not all(door.accepting for door in self.doors.values()):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_unix_connection(str(self.redis_socket))
                writer.close()
                await self._open_all()
            await asyncio.sleep(0.02)
        self._looking = False

    async def _open_all(self) -> None:
        self._shut = False
        for door in self.doors.values():
            self._accept(door, True)

    async def _heal(self) -> None:
        for door in self.doors.values():
            door.until.clear()
            for link in list(door.links):
                link.armed, link.fires = None, False
                if link.silent:
                    link.silent = False
                    link.reset()

    async def _end(self) -> None:
        for door in self.doors.values():
            self._accept(door, False)
            door.listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.contextmanager
def proxied(redis_socket: Path, seed: int = 0) -> Iterator[Proxy]:
    """A proxy that is ended with the block."""
    proxy = Proxy(redis_socket, seed)
    try:
        yield proxy
    finally:
        proxy.close()
