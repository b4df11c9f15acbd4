"""Quick questions over a bare socket: the same answers as redis-py gives, or an error in time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import redis as redis_py

from queues.glance import glance
from tests.support.redis_server import RedisServer
from tests.support.sentinels import free_port
from tests.support.strangers import sentinel_that_says, server_context, stranger

QUESTIONS = [("HKEYS", "h"), ("GET", "none"), ("GET", "s"), ("ZCARD", "z"), ("ZRANGE", "z", "0", "-1")]
ANSWERS = [[b"a", b"b c"], None, "ü\r\n".encode() * 9000, 2, [b"x", b"y"]]


def fill(client: redis_py.Redis) -> None:
    client.hset("h", mapping={"a": 1, "b c": 2})
    client.set("s", "ü\r\n" * 9000)
    client.zadd("z", {"x": 1, "y": 2})


def test_replies_of_every_kind_come_whole(redis: redis_py.Redis, redis_url: str) -> None:
    fill(redis)
    assert glance(redis_url, QUESTIONS, within=5) == ANSWERS


def test_passwords_databases_and_sentinels_are_followed() -> None:
    port = free_port()
    with RedisServer(options={"port": str(port)}) as server:
        client = redis_py.Redis(port=port, db=3)
        fill(client)
        client.config_set("requirepass", "p@w")
        assert glance(f"redis://:p%40w@127.0.0.1:{port}/3", QUESTIONS, within=5) == ANSWERS
        assert glance(f"unix://:p%40w@{server.socket}?db=3", QUESTIONS, within=5) == ANSWERS
        with pytest.raises(ValueError, match="WRONGPASS"):
            glance(f"redis://:wrong@127.0.0.1:{port}", QUESTIONS, within=5)
        with stranger(sentinel_that_says(port, password="p@w")) as watcher:
            address = f"redis+sentinel://:p%40w@127.0.0.1:1,127.0.0.1:{watcher}/m/3"
            assert glance(address, QUESTIONS, within=5) == ANSWERS


def test_tls_is_spoken_and_certificates_are_checked(tmp_path: Path) -> None:
    with stranger(lambda _: b"+PONG\r\n", tls=server_context(tmp_path, "localhost")) as port:
        trusted = f"rediss://localhost:{port}?ssl_ca_certs={tmp_path}/cert.pem&ssl_check_hostname=no"
        assert glance(trusted, [("PING",)], within=5) == [b"PONG"]
        with pytest.raises(OSError, match="CERTIFICATE"):
            glance(f"rediss://localhost:{port}", [("PING",)], within=5)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 400\r\n", b"-LOADING\r\n", b"*999999999\r\n", b"$x\r\n", b"$5\r\nab"])
def test_what_is_no_answer_is_an_error_within_its_time(said: bytes) -> None:
    began = time.monotonic()
    with stranger(lambda _: said) as port, pytest.raises((OSError, ValueError)):
        glance(f"redis://127.0.0.1:{port}", [("PING",)], within=0.2)
    assert time.monotonic() - began < 5
