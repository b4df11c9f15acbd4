"""The master behind Sentinels: connections to whichever it is when they are made, and left when another one serves."""

from __future__ import annotations

import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import redis.exceptions as failures
from redis.connection import SSLConnection

from queues.address import RedisAddress
from queues.errors import RedisUnreachable
from queues.sentinel import Answer, Sentinels
from queues.sockets import BoundedConnection, break_off

WATCH_SECONDS = 1.0
"""How often it is asked whether the master has moved: sooner than anybody may claim from the new one."""


class Watch:
    """Breaks connections to a master that was replaced though it lives, as after SENTINEL FAILOVER.

    Such a server goes on taking writes for some ten seconds, which are lost, and runs claimed there would be claimed
    from the new master too. A thread asks the Sentinels while there are connections, each on one that is kept.
    """

    def __init__(self, address: RedisAddress) -> None:
        self._sentinels = Sentinels(address)
        self._connections: weakref.WeakSet[MasterConnection] = weakref.WeakSet()
        self._doors = {place: self._sentinels.door(place, WATCH_SECONDS / 5) for place in address.sentinels}
        self._lock = threading.Lock()
        self._watches = False

    def add(self, connection: MasterConnection) -> None:
        """Watch over one more connection, as long as it is used."""
        with self._lock:
            self._connections.add(connection)
            if not self._watches:
                self._watches = True
                threading.Thread(target=self._run, name="headgate-master", daemon=True).start()

    def _run(self) -> None:
        while self._goes_on():
            time.sleep(WATCH_SECONDS)
            self.look()

    def _goes_on(self) -> bool:
        with self._lock:
            self._watches = len(self._connections) > 0
            return self._watches

    def look(self) -> None:
        """Ask all Sentinels; break what is connected to another server than the newest answer names."""
        answers = [self._sentinels.ask(door, WATCH_SECONDS / 5, keep=True) for door in self._doors.values()]
        named = [answer for answer in answers if answer.master is not None]
        newest = max(named, key=lambda answer: answer.epoch, default=None)
        if newest is None:
            return
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.leave_for(newest)


@cache
def watch_of(address: RedisAddress) -> Watch:
    """The one watch of this process over the connections to an address."""
    return Watch(address)


class MasterConnection(BoundedConnection):
    """A connection to whatever is the master when it is made."""

    named: Answer | None = None
    """What the Sentinel said that named the server of this connection."""

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        self.sentinels = sentinels
        watch_of(sentinels.address).add(self)
        super().__init__(**options)  # type: ignore[no-untyped-call]

    def _connect(self) -> socket.socket:
        self.began = time.monotonic()

        def dial(answer: Answer, until: float) -> socket.socket:
            assert answer.master is not None
            self.named = answer
            self.host, self.port = answer.master
            return self.dial(*answer.master, until)

        return self.sentinels.connect(dial, self.began + self.budget)

    def leave_for(self, newest: Answer) -> None:
        """Break the connection, from another thread, if a newer answer than its own names another server."""
        before = self.named
        if before is not None and newest.master != before.master and newest.epoch > before.epoch:
            break_off(self)


class MasterTlsConnection(SSLConnection, MasterConnection):
    """The same over TLS; the certificate has to hold for the name or number that the Sentinels announce."""


def require_master(connection: Any, ask: Callable[..., Any]) -> None:
    """Raise ReadOnlyError when what a Sentinel named has become a replica."""
    if b"role:slave" in ask("INFO", "replication"):
        connection.sentinels.doubt()
        raise failures.ReadOnlyError("READONLY it is a replica")


@contextmanager
def seen_through(address: RedisAddress) -> Iterator[None]:
    """Make what a replica says mean no more than "not here" when Sentinels know who the master is."""
    try:
        yield
    except RedisUnreachable as failure:
        if not address.sentinels or failure.code != "read_only":
            raise
        hint = "Wait until the Sentinels agree on the master; connections are made to that one."
        raise RedisUnreachable(str(address), "it is not the master", code="read_only", hint=hint) from failure
