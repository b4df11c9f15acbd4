"""Probes: what is answered when, and that nobody who asks strangely can hold the others up."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent.errors import AgentInvalid
from agent.health import Health, Vitals, answer

WELL = Vitals(agent="a1", state="running", running=1, limit=4, redis=True, loop_seconds=0.2, renew_seconds=5.0)


@pytest.mark.parametrize(
    ("vitals", "health", "ready", "why"),
    [
        (WELL, 200, 200, None),
        (replace(WELL, state="draining"), 200, 503, "it is draining"),
        (replace(WELL, state="spool full"), 200, 503, "it is spool full"),
        (replace(WELL, redis=False), 200, 503, "Redis does not answer"),
        (replace(WELL, loop_seconds=16.0), 503, 503, "its loop has not turned for a while"),
        (replace(WELL, loop_seconds=16.0, renew_seconds=10.0), 200, 200, None),
    ],
)
def test_an_agent_lives_while_its_loop_turns_and_is_ready_while_it_takes_runs(
    vitals: Vitals, health: int, ready: int, why: str | None
) -> None:
    assert answer("GET", "/health", vitals)[0] == health
    code, body = answer("GET", "/ready?verbose", vitals)
    assert (code, body["why"], body["ok"]) == (ready, why, why is None)
    assert body == body | {"agent": "a1", "running": 1, "limit": 4}


def test_what_is_not_answered_is_refused() -> None:
    assert [answer(*asked, WELL)[0] for asked in (("POST", "/health"), ("GET", "/"), ("GET", "/healthz"))] == [
        405,
        404,
        404,
    ]


@pytest.fixture
def port() -> Iterator[int]:
    health = Health("127.0.0.1", 0)
    health.look_by(lambda: WELL)
    health.start()
    yield health.port


def ask(port: int, request: bytes) -> bytes:
    """Send a request and read until the other side closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_an_answer_is_whole_http_with_one_json_line(port: int) -> None:
    head, _, body = ask(port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n") and f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["ok"] is True and body.endswith(b"\n")
    assert ask(port, b"HEAD /health HTTP/1.0\r\n\r\n").endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    "request_", [b"", b"\r\n\r\n", b"x" * 9000, b"GET /health\r\n\r\n", b"\xff\x00 / HTTP/1.1\r\n\r\n"]
)
def test_who_asks_strangely_gets_nothing_or_a_refusal_and_the_next_one_an_answer(port: int, request_: bytes) -> None:
    try:
        said = ask(port, request_)
    except OSError:  # it was closed while there was more to read, or before we were done
        said = b""
    assert not said or said.startswith(b"HTTP/1.1 405")
    assert ask(port, b"GET /ready HTTP/1.1\r\n\r\n").startswith(b"HTTP/1.1 200")


def test_a_port_that_is_taken_is_refused_with_the_option(port: int) -> None:
    with pytest.raises(AgentInvalid, match=f"127.0.0.1:{port}") as refused:
        Health("127.0.0.1", port)
    assert refused.value.field == "health-port"
