"""Every Redis that can not be used has a sentence of its own, and exit code 5; no password shows, nothing changes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.support.redis_server import RedisServer
from tests.support.sentinels import free_port
from tests.support.strangers import redis_that_says, server_context, stranger

WITHIN = 3.0
"""Seconds that a command may wait for Redis, beside what it takes by itself."""
SERVES = {"redis_version": "7.0.0", "redis_mode": "standalone", "run_id": "a" * 40}
PASSWORD = "p@:/#%"
QUOTED = "p%40%3A%2F%23%25"


def refusal(headgate: Headgate, address: str, *words: str) -> str:
    """What a command says of an address, after the checks that hold for all of them."""
    answer = headgate.with_settings(HEADGATE_REDIS_URL=address)(*(words or ("doctor",)), code=5)
    assert answer.out == "" and answer.err.startswith("Error: Redis at ") and answer.err.count("\n") == 1
    assert not any(secret in answer.err for secret in ("s3cret", PASSWORD, QUOTED))
    return answer.err


@pytest.fixture
def guarded() -> Iterator[tuple[RedisServer, str]]:
    """A server with a password and a user who may do little, and where it listens."""
    port = free_port()
    server = RedisServer(options={"port": str(port), "bind": "127.0.0.1 -::1"})
    try:
        client = server.start().client()
        client.execute_command("ACL", "SETUSER", "reader", "on", ">s3cret", "~*", "+@connection", "+info", "+hmget")
        client.config_set("requirepass", PASSWORD)
        yield server, f"127.0.0.1:{port}"
    finally:
        server.close()


def test_a_login_that_is_wrong_missing_or_too_narrow_has_a_sentence_each(
    headgate: Headgate, guarded: tuple[RedisServer, str]
) -> None:
    server, place = guarded
    before = server.client(password=PASSWORD).dbsize()
    assert "wrong user name or password" in refusal(headgate, f"redis://:s3cret@{place}")
    assert "wants a password and none was given" in refusal(headgate, f"redis://{place}")
    narrow = refusal(headgate, f"redis://reader:s3cret@{place}", "work-queue", "ls")
    assert "this user may not do that" in narrow and "commands and keys that Headgate needs" in narrow
    assert server.client(password=PASSWORD).dbsize() == before == 0


@pytest.mark.slow
def test_a_password_may_hold_any_letter_and_the_host_may_be_of_either_kind(
    headgate: Headgate, guarded: tuple[RedisServer, str]
) -> None:
    port = guarded[1].rpartition(":")[2]
    for address in (f"redis://:{QUOTED}@[::1]:{port}/0", f"redis://:{PASSWORD}@127.0.0.1:{port}"):
        answer = headgate.with_settings(HEADGATE_REDIS_URL=address)("work-queue", "ls")
        assert "default" in answer.out and PASSWORD not in answer.out + answer.err


@pytest.mark.slow
def test_a_db_that_is_not_there_is_named(headgate: Headgate, own_redis: RedisServer) -> None:
    assert "it has no such db" in refusal(headgate, f"{own_redis.url}?db=99")


def test_addresses_that_are_none_are_exit_2_and_not_repeated(headgate: Headgate) -> None:
    two = "redis://:s3cret@one:6379,redis://:s3cret@two:6379"
    for address in (two, "redis://:s3cret@", "redis://:s3cret@h:port", "unix://s3cret.sock"):
        answer = headgate.with_settings(HEADGATE_REDIS_URL=address)("doctor", code=2)
        assert answer.out == "" and answer.err.count("\n") == 1, answer
        assert "s3cret" not in answer.err and "expected" in answer.err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_on_one_side_only_or_under_another_name_has_a_sentence_each(headgate: Headgate, tmp_path: Path) -> None:
    answer, context = redis_that_says(**SERVES), server_context(tmp_path, "db.example")
    trusted = f"?ssl_ca_certs={tmp_path}/cert.pem"
    with stranger(answer, tls=context) as tls, stranger(answer) as plain:
        assert "it speaks TLS only. Write rediss://" in refusal(headgate, f"redis://:s3cret@localhost:{tls}")
        assert "does not speak TLS" in refusal(headgate, f"rediss://:s3cret@localhost:{plain}")
        assert "Hostname mismatch" in refusal(headgate, f"rediss://:s3cret@localhost:{tls}{trusted}")


def test_servers_of_another_version_or_kind_name_what_is_needed(headgate: Headgate) -> None:
    wanted = [
        ({"redis_version": "5.0.14"}, ("it is version 5.0.14; 6.2.6 or newer is needed", "Install a newer")),
        ({"redis_version": "6.2.5"}, ("it is version 6.2.5; 6.2.6 or newer is needed", "Install a newer")),
        ({"redis_mode": "cluster"}, ("it is a node of a Redis Cluster", "needs a single server")),
        ({"redis_mode": "sentinel"}, ("it is a Sentinel, which holds no data", "redis+sentinel://host:port")),
    ]
    starting = (("doctor",), ("scheduler", "start"), ("agent", "start"), ("start",))
    for (facts, words), command in zip(wanted, starting, strict=True):
        with stranger(redis_that_says(**{**SERVES, **facts})) as port:
            said = refusal(headgate, f"redis://:s3cret@127.0.0.1:{port}", *command)
        assert all(word in said for word in words), said


def test_a_server_given_as_a_sentinel_is_told_from_one(headgate: Headgate, guarded: tuple[RedisServer, str]) -> None:
    said = refusal(headgate, f"redis+sentinel://:{QUOTED}@{guarded[1]}/main")
    assert "it is no Sentinel" in said and "Write redis:// for a server without Sentinel" in said


@pytest.mark.parametrize(
    "words",
    [
        ("doctor",),
        *(pytest.param(role, marks=pytest.mark.slow) for role in (("scheduler", "start"), ("agent", "start"))),
    ],
)
def test_a_replica_is_refused_and_its_master_named(
    headgate: Headgate, own_redis: RedisServer, words: tuple[str, ...]
) -> None:
    own_redis.client().replicaof("127.0.0.1", "1")
    said = refusal(headgate, own_redis.url, *words)
    assert "it is a replica" in said and "address of the master" in said


def test_one_that_greets_and_then_says_nothing_is_given_up(headgate: Headgate) -> None:
    greets, took = redis_that_says(**SERVES), []
    with stranger(lambda got: greets(got) if b"INFO" in got or b"CLIENT" in got else b"") as port:
        addresses = {"there is no such socket": "unix:///no/such.sock", "in time": f"redis://127.0.0.1:{port}"}
        for words, address in addresses.items():
            began = time.monotonic()
            assert words in refusal(headgate, address)
            took.append(time.monotonic() - began)
    assert took[1] - took[0] < WITHIN + 2
