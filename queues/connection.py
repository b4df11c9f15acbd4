"""Connections to Redis with explicit time-outs, no hidden retries, and failures that say what to do.

redis-py re-sends a command up to ten times by default and so counts an INCR twice; clients made here send it once.
Every new connection is greeted before its first command: the server's version is checked, and `greet` (see
`queues.recovery`) learns the server's run id, so that nobody claims from a restarted server before its return is known.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import redis
import redis.exceptions as failures
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.connection import ConnectionPool
from redis.retry import Retry

from queues.address import RedisAddress, masked, parse_url
from queues.errors import RedisUnreachable
from queues.master import MasterConnection, MasterTlsConnection, require_master, seen_through
from queues.outages import TLS_ALERT, translated
from queues.sentinel import Sentinels
from queues.server_check import ServerFacts
from queues.sockets import (
    DEFAULT_TIMEOUT,
    BoundedConnection,
    BoundedTlsConnection,
    BoundedUnixConnection,
    break_off,
    tls_options,
)

__all__ = ["Ask", "Client", "Greet", "connect", "connect_blocking", "masked", "parse_url"]

# Name look-up, TCP, TLS and greeting share this part of the time-out, so that the whole attempt ends within it.
CONNECT_SHARE = 0.9
PROBE_SECONDS = 0.3

Ask = Callable[..., Any]
"""Sends one command on a connection and gives the raw reply."""


Greet = Callable[[ServerFacts, Ask], None]
"""Called once on every new connection, before any command."""


class Client(redis.Redis):
    """A redis-py client whose outages are RedisUnreachable and RedisRefused; other error replies pass unchanged."""

    address: RedisAddress

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send one command, once."""
        with used(self.connection_pool, self.address):
            return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]

    def break_off(self) -> None:
        """Close all connections, from any thread: calls under way fail at once, the next ones connect anew."""
        pool: Any = self.connection_pool
        for connection in [*pool._in_use_connections, *pool._available_connections]:
            break_off(connection)

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> Pipeline:
        """Batch commands; like redis-py's, with outages translated."""
        pipeline = TranslatingPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipeline.address = self.address
        return pipeline


class TranslatingPipeline(Pipeline):
    """A pipeline whose outages are RedisUnreachable and RedisRefused."""

    address: RedisAddress

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """Send the batch, once."""
        with used(self.connection_pool, self.address):
            return super().execute(raise_on_error)


@contextmanager
def used(pool: ConnectionPool, address: RedisAddress) -> Iterator[None]:
    """Translate what goes wrong with a connection of the pool; those to a server that is no master are dropped."""
    try:
        with seen_through(address), translated(str(address)):
            yield
    except RedisUnreachable as failure:
        if failure.code == "read_only":
            # The master may have moved, behind its Sentinels or behind its name: only a new connection finds it.
            pool.disconnect(inuse_connections=False)
        raise


def connect(
    url: str,
    *,
    timeout: float = DEFAULT_TIMEOUT,
    retries: int = 0,
    name: str = "headgate",
    greet: Greet | None = None,
    eager: bool = True,
) -> Client:
    """Make a client and its first connection; RedisUnreachable or RedisRefused within `timeout` seconds.

    `retries` re-sends after a lost connection and is only for calls whose effect is the same when made twice.
    `name` is shown by CLIENT LIST. With `eager=False` the first command connects.
    """
    address = parse_url(url)
    client = _client(address, timeout, retries, name, greet)
    if eager:
        _first_connection(client)
    return client


def connect_blocking(
    url: str, *, longest_block: float, name: str = "headgate-wait", greet: Greet | None = None
) -> Client:
    """Make a client for blocking reads of at most `longest_block` seconds; its socket waits longer than they do."""
    return _client(parse_url(url), longest_block + DEFAULT_TIMEOUT, 0, name, greet)


def _client(address: RedisAddress, timeout: float, retries: int, name: str, greet: Greet | None) -> Client:
    budget = min(timeout, DEFAULT_TIMEOUT) * CONNECT_SHARE
    options: dict[str, Any] = {
        "db": address.db,
        "username": address.username,
        "password": address.password,
        "client_name": name,
        "driver_info": None,  # saves two round trips on every connection
        "protocol": 2,  # no HELLO, no push frames in between
        "socket_timeout": timeout,
        "retry": Retry(NoBackoff(), retries),
        "redis_connect_func": _Greeting(address, budget, greet),
    }
    kind: type[Any]
    if address.scheme == "unix":
        kind, options["path"] = BoundedUnixConnection, address.path
    else:
        options |= {"socket_connect_timeout": budget, **tls_options(address)}
        if address.sentinels:
            kind = MasterTlsConnection if address.secure else MasterConnection
            options["sentinels"] = Sentinels(address)
        else:
            kind = BoundedTlsConnection if address.secure else BoundedConnection
            options |= {"host": address.host, "port": address.port}
    client = Client(connection_pool=ConnectionPool(connection_class=kind, **options))
    client.address = address
    return client


def _first_connection(client: Client) -> None:
    with used(client.connection_pool, client.address):
        pool = client.connection_pool
        pool.release(pool.get_connection())


class _Greeting:
    """Sets a new connection up: log in, check the server, greet; all within what is left of the budget."""

    def __init__(self, address: RedisAddress, budget: float, greet: Greet | None) -> None:
        self.address = address
        self.budget = budget
        self.greet = greet

    def __deepcopy__(self, _: Any) -> _Greeting:
        return self

    def __call__(self, connection: Any) -> None:
        waited = time.monotonic() - connection.began
        connection._sock.settimeout(max(self.budget - waited, 0.1))

        def ask(*command: Any) -> Any:
            connection.send_command(*command, check_health=False)
            return connection.read_response()

        try:
            connection.on_connect()
            facts = ServerFacts.parse(ask("INFO", "server"), str(self.address))
            facts.require(str(self.address))
            if self.address.sentinels:
                require_master(connection, ask)
            if self.greet is not None:
                self.greet(facts, ask)
            connection._sock.settimeout(connection.socket_timeout)
            connection.proven = True
        except BaseException as error:
            # redis-py would keep a connection that was set up by half when the failure is not one of its own.
            connection.disconnect()
            if type(error) is failures.ConnectionError and self.address.scheme == "redis":
                self._name_the_stranger(error)
            raise

    def _name_the_stranger(self, error: failures.ConnectionError) -> None:
        """Find out what closed the connection at once: a web server answers in lines that Redis never ends."""
        said = _first_words(self.address) or (TLS_ALERT if _speaks_tls(self.address) else b"")
        if said and said[:1] not in b"+-:$*":
            raise failures.InvalidResponse(f"Protocol Error: {said!r}") from error


def _first_words(address: RedisAddress) -> bytes:
    try:
        with socket.create_connection((address.host, address.port), timeout=PROBE_SECONDS) as plain:
            plain.sendall(b"PING\r\n")
            return plain.recv(64)
    except OSError:
        return b""


def _speaks_tls(address: RedisAddress) -> bool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent: the question is only whether TLS is spoken there
    try:
        with socket.create_connection((address.host, address.port), timeout=PROBE_SECONDS) as plain:
            context.wrap_socket(plain).close()
    except ssl.SSLError as error:
        return "CERTIFICATE" in str(error.reason)
    except OSError:
        return False
    return True
