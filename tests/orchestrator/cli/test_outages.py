"""Redis that is not there, does not answer, or is something else; a home that can not be used."""

from __future__ import annotations

import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.support.redis_server import RedisServer

WITHIN = 3.0
SLACK = 1.5
"""What the start of an interpreter may take beside the seconds promised, on a machine that runs other tests too."""


def answer_of(headgate: Headgate, address: str) -> str:
    """What `work-queue ls` says of an address that is no good, after the checks that hold for all of them."""
    began = time.monotonic()
    answer = headgate.with_settings(HEADGATE_REDIS_URL=address)("work-queue", "ls", code=5)
    assert time.monotonic() - began < WITHIN + SLACK
    assert answer.out == "" and answer.err.startswith("Error: Redis at ") and answer.err.count("\n") == 1
    assert "s3cret" not in answer.err and "ann" not in answer.err.replace("cannot", "")
    return answer.err


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def web_port() -> Iterator[int]:
    """A port that speaks HTTP."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


def test_nobody_listens(headgate: Headgate) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    said = answer_of(headgate, f"redis://ann:s3cret@127.0.0.1:{port}/0")
    assert f"127.0.0.1:{port}" in said and "refused" in said and "`headgate start`" in said


def test_there_is_no_such_socket(headgate: Headgate) -> None:
    assert "there is no such socket" in answer_of(headgate, f"unix://{headgate.folder}/none.sock")


def test_it_never_answers(headgate: Headgate, silent_port: int) -> None:
    assert "did not answer in time" in answer_of(headgate, f"redis://ann:s3cret@127.0.0.1:{silent_port}/0")


def test_it_speaks_http(headgate: Headgate, web_port: int) -> None:
    assert "it speaks HTTP" in answer_of(headgate, f"redis://ann:s3cret@127.0.0.1:{web_port}/0")


def test_it_stands_still(headgate: Headgate, own_redis: RedisServer) -> None:
    own_redis.signal(signal.SIGSTOP)
    try:
        assert "did not answer in time" in answer_of(headgate, own_redis.url)
    finally:
        own_redis.signal(signal.SIGCONT)


def test_programs_are_told_the_code_and_the_hint(offline: Headgate) -> None:
    error = offline("flow-run", "ls", "-o", "json", code=5).error()
    assert set(error) == {"code", "message", "field", "hint"} and "HEADGATE_REDIS_URL" in str(error["hint"])


@pytest.mark.parametrize(
    "address", ["redis//x", "redis://ann:s3cret@localhost:99999", "mongodb://ann:s3cret@localhost"]
)
def test_an_address_that_is_none_is_exit_2_without_its_password(headgate: Headgate, address: str) -> None:
    answer = headgate.with_settings(HEADGATE_REDIS_URL=address)("work-queue", "ls", code=2)
    assert "s3cret" not in answer.err and "expected" in answer.err and answer.out == ""


def test_an_address_that_can_not_be_read_names_the_setting_and_where_to_look(headgate: Headgate) -> None:
    answer = headgate.with_settings(HEADGATE_REDIS_URL="redis://localhost:6379/first")("work-queue", "ls", code=2)
    assert answer.err == (
        "Error: redis_url: expected the db to be a number from 0 on, got something else behind the last /; "
        "`headgate config view` shows where it was set\n"
    )
    empty = headgate.with_settings(HEADGATE_REDIS_URL="")("work-queue", "ls", code=2)
    assert "expected HEADGATE_REDIS_URL to be set to something or not set at all, got ''" in empty.err


def test_every_wrong_setting_is_told_at_once(headgate: Headgate) -> None:
    wrong = {"HEADGATE_LEASE_SECONDS": "soon", "HEADGATE_KILL_SECONDS": "-1", "HEADGATE_LAESE_SECONDS": "3"}
    answer = headgate.with_settings(**wrong)("work-queue", "ls", code=2)
    assert "HEADGATE_LEASE_SECONDS" in answer.err and "HEADGATE_KILL_SECONDS" in answer.err
    warned = headgate.with_settings(HEADGATE_LAESE_SECONDS="3")("work-queue", "ls")
    assert "HEADGATE_LEASE_SECONDS" in warned.err and warned.err.startswith("Warning: HEADGATE_LAESE_SECONDS")


def test_a_home_that_is_a_file_is_exit_1_with_path_and_reason(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    answer = Headgate(folder=tmp_path)("work-queue", "ls", code=1)
    assert str(tmp_path / "home") in answer.err and "Not a directory" in answer.err


def test_version_answers_with_and_without_redis(headgate: Headgate, offline: Headgate) -> None:
    keys = ["version", "python", "home", "redis_url", "redis_version", "rq_key_prefix", "profile"]
    keys.append("installation")
    there = headgate.json("version")
    assert list(there) == keys and there["redis_version"] and there["rq_key_prefix"] == "{headgate}:rq"
    gone = offline.with_settings(HEADGATE_REDIS_URL="redis://ann:s3cret@127.0.0.1:1")("version", "-o", "json")
    assert gone.json()["redis_version"] is None and "s3cret" not in gone.out + gone.err
