"""Whether this agent lives, and whether it takes work, for probes: `GET /health`, `GET /ready`, 200 or 503 with JSON.

One thread, one connection after the other, each for two seconds at most: who asks slowly delays other probes alone.
It tells nothing that `headgate agent ls` does not, and listens on this machine only unless told otherwise.
"""

import json
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from agent.errors import AgentInvalid

CONNECTION_SECONDS = 2.0
LARGEST_REQUEST = 4096
FROZEN_SECONDS = 15.0
FROZEN_RENEWALS = 3
"""The loop turns for every renewal of the leases; one that did not for so long, and so often, is stuck."""
REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}


@dataclass(frozen=True, kw_only=True)
class Vitals:
    """How an agent is. `loop_seconds` is for how long its loop has not turned, which it does every `renew_seconds`."""

    agent: str
    state: str
    running: int
    limit: int
    redis: bool
    loop_seconds: float
    renew_seconds: float

    @property
    def frozen(self) -> bool:
        """Whether its loop is stuck."""
        return self.loop_seconds > max(FROZEN_SECONDS, FROZEN_RENEWALS * self.renew_seconds)


def answer(method: str, path: str, vitals: Vitals) -> tuple[int, dict[str, object]]:
    """The status code and the body for one request; pure."""
    if method not in ("GET", "HEAD"):
        return 405, {"error": f"expected GET or HEAD, got {method[:20]!r}"}
    alive = "its loop has not turned for a while" if vitals.frozen else ""
    closed = "" if vitals.state == "running" else f"it is {vitals.state}"
    ready = alive or ("" if vitals.redis else "Redis does not answer") or closed
    why = {"/health": alive, "/ready": ready}.get(path.partition("?")[0])
    if why is None:
        return 404, {"error": f"expected /health or /ready, got {path[:80]!r}"}
    body = {"agent": vitals.agent, "state": vitals.state, "running": vitals.running, "limit": vitals.limit}
    return (503 if why else 200), {"ok": not why, "why": why or None, **body, "redis": vitals.redis}


class Health(threading.Thread):
    """Listens from the start, and answers once it is told how to look; AgentInvalid when the port can not be had."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(name="health", daemon=True)
        self._look: Callable[[], Vitals]
        try:
            self._listener = socket.create_server((host, port), backlog=16)
        except OSError as error:
            message = f"expected to listen on {host}:{port} for probes, which can not be: {error.strerror or error}"
            raise AgentInvalid(message, field="health-port") from error
        self.port = self._listener.getsockname()[1]

    def look_by(self, look: Callable[[], Vitals]) -> None:
        """Say how the agent is looked at, before the thread is started."""
        self._look = look

    def run(self) -> None:
        """Answer until the process ends."""
        while True:
            with suppress(OSError):
                connection, _ = self._listener.accept()
                with connection:
                    connection.settimeout(CONNECTION_SECONDS)
                    self._serve(connection)

    def _serve(self, connection: socket.socket) -> None:
        method, path = read_request(connection)
        if not method:
            return
        code, body = answer(method, path, self._look())
        text = json.dumps(body).encode() + b"\n"
        head = (
            f"HTTP/1.1 {code} {REASONS[code]}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode() + (b"" if method == "HEAD" else text))


def read_request(connection: socket.socket) -> tuple[str, str]:
    """The method and path of a request; empty for what is none. Nothing that follows its head is read."""
    data = b""
    while b"\r\n\r\n" not in data and len(data) < LARGEST_REQUEST:
        part = connection.recv(LARGEST_REQUEST)
        if not part:
            break
        data += part
    words = data.partition(b"\r\n")[0].decode("latin-1").split(" ")
    return (words[0], words[1]) if len(words) == 3 and words[2].startswith("HTTP/1.") else ("", "")
