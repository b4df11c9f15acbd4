"""Connections whose name look-up and attempts on all addresses share one time-out, and that notice a vanished peer."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from contextlib import suppress
from typing import Any

from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from queues.address import NO, RedisAddress

DEFAULT_TIMEOUT = 3.0
REDIAL_SECONDS = 1.0
"""After so long without an answer an attempt is begun anew: the kernel's own pauses double and outlast a healed cut."""

KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}
"""A peer that went without a word is noticed after 25 s also where nothing is sent, as on a subscription."""


class BoundedUnixConnection(UnixDomainSocketConnection):
    """A unix socket connection that notes when it began."""

    began = 0.0
    proven = False

    def _connect(self) -> socket.socket:
        self.began = time.monotonic()
        return super()._connect()  # type: ignore[no-any-return, no-untyped-call]


class BoundedConnection(Connection):
    """A TCP connection that resolves its host anew each time and tries all its addresses within one time-out."""

    began = 0.0
    proven = False
    """Whether the address that was dialled last turned out to be a Redis that serves (set by the greeting)."""
    _last: Any = None

    @property
    def budget(self) -> float:
        """How long connecting may take, the greeting included; in seconds."""
        return float(self.socket_connect_timeout or DEFAULT_TIMEOUT)

    def _connect(self) -> socket.socket:
        self.began = time.monotonic()
        return self.dial(self.host, self.port, self.began + self.budget)

    def dial(self, host: str, port: int, until: float) -> socket.socket:
        """Open a socket to the first address of a host that takes it, before a time of the monotonic clock."""
        found = look_up(host, port, until - time.monotonic())
        if not self.proven:
            # Of two addresses the one that was of no use last time comes last: it may take connections and be silent.
            found.sort(key=lambda each: each[4] == self._last)
        self.proven = False
        failure: OSError = TimeoutError("no address was tried in time")
        for index, (family, kind, protocol, _, place) in enumerate(found):
            share = (until - time.monotonic()) / (len(found) - index)
            if share <= 0:
                break
            self._last = place
            try:
                made = open_socket((family, kind, protocol), place, share)
            except OSError as error:
                failure = error
            else:
                made.settimeout(max(until - time.monotonic(), 0.1))  # for what TLS has to say first
                return made
        raise failure


class BoundedTlsConnection(SSLConnection, BoundedConnection):
    """A TLS connection with the same bound; certificate and host name are checked."""


def open_socket(kind: tuple[int, int, int], place: Any, seconds: float) -> socket.socket:
    """Connect to one address within `seconds`."""
    until = time.monotonic() + seconds
    while True:
        left = until - time.monotonic()
        made = socket.socket(*kind)
        try:
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            keep_alive(made)
            made.settimeout(max(0.001, min(left, REDIAL_SECONDS)))
            made.connect(place)
        except TimeoutError:
            made.close()
            if left <= REDIAL_SECONDS:
                raise
        except OSError:
            made.close()
            raise
        else:
            return made


def break_off(connection: Any) -> None:
    """End what is under way on a connection of redis-py, from any thread: whoever waits there finds it closed."""
    made = connection._sock
    if made is not None:
        with suppress(OSError):
            socket.socket.shutdown(made, socket.SHUT_RDWR)


def keep_alive(made: socket.socket) -> None:
    """Let the kernel find out that the peer is gone."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in KEEPALIVE.items():
        if hasattr(socket, name):
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def look_up(host: str, port: int, seconds: float) -> list[Any]:
    """Resolve a host name within `seconds`: the resolver's own time-outs are far longer and can not be set."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        pass
    else:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    answer: list[Any] = []

    def resolve() -> None:
        try:
            answer.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except OSError as error:
            answer.append(error)

    thread = threading.Thread(target=resolve, name="headgate-resolve", daemon=True)
    thread.start()
    thread.join(max(seconds, 0.0))
    if not answer:
        raise socket.gaierror(socket.EAI_AGAIN, "the name server did not answer in time")
    if isinstance(answer[0], OSError):
        raise answer[0]
    return list(answer[0])


def tls_options(address: RedisAddress) -> dict[str, Any]:
    """What redis-py takes of the options for TLS."""
    options: dict[str, Any] = dict(address.tls)
    if "ssl_check_hostname" in options:
        options["ssl_check_hostname"] = options["ssl_check_hostname"].lower() not in NO
    return options
