"""Fixtures for every test: `redis_url`, `redis`, `scripts` on one private server per test process, emptied per test.

`own_redis` is a server that a test may kill, stop or restart; it keeps its data in an append-only file.
Works under pytest-xdist: each worker process has a server of its own.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import pytest
import redis as redis_py

from tests.support.redis_server import RedisServer

# A shell starts what runs in its background with SIGINT ignored, and children inherit that; Ctrl-C is tested too.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """The server of this test process. Tests take `redis` or `redis_url`, which empty it first."""
    server = RedisServer()
    try:
        yield server.start()
    finally:
        server.close()


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[redis_py.Redis]:
    """A client of an empty Redis; bytes in and out, no hidden retries."""
    client = redis_server.client()
    client.flushall()
    yield client
    client.close()


@pytest.fixture
def redis_url(redis_server: RedisServer, redis: redis_py.Redis) -> str:
    """The address of an empty Redis."""
    return redis_server.url


@pytest.fixture
def scripts(redis: redis_py.Redis) -> Any:
    """The Lua verbs of `queues` on an empty Redis, under the default prefix."""
    from queues.scripts import Scripts  # imported here: tests of pure modules must not need redis at collection

    return Scripts(redis)


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A server for this test alone, with an append-only file: `own_redis.kill()`, `.restart()`, `.signal()`."""
    server = RedisServer(append_only=True)
    try:
        yield server.start()
    finally:
        server.close()
