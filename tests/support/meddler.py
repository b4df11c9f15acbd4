"""Someone between a client and its Redis who answers instead of it, says nothing, stutters, or cuts answers in two."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

MIDDLE = 7
"""After how many bytes an answer that is cut in two ends."""


class Meddler:
    """Listens at `url` for clients of the Redis on a unix socket; `mode` is what it does, `meddled` how often it did.

    `pass` hands everything through · `say` answers each command with `words` · `swallow` keeps commands and answers and
    leaves connections open · `tear` cuts an answer in the middle and closes · `stutter` sends it byte by byte.
    """

    def __init__(self, unix_socket: str) -> None:
        self.mode = "pass"
        self.words = b""
        self.meddled = 0
        self._server = unix_socket
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = [self._listener]
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    def say(self, words: bytes) -> None:
        """Answer every command with these bytes."""
        self.words, self.mode = words, "say"

    def close(self) -> None:
        """Close everything."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def __enter__(self) -> Meddler:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, work: object, *arguments: object) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()  # type: ignore[arg-type]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                self._sockets += [client, server]
                try:
                    server.connect(self._server)
                except OSError:
                    client.close()
                    continue
                self._start(self._carry, client, server, self._command)
                self._start(self._carry, server, client, self._answer)

    def _carry(self, source: socket.socket, target: socket.socket, hand_on: object) -> None:
        with suppress(OSError):
            while got := source.recv(65536):
                hand_on(got, source, target)  # type: ignore[operator]
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def _command(self, got: bytes, client: socket.socket, server: socket.socket) -> None:
        if self.mode in ("pass", "tear", "stutter"):
            server.sendall(got)
            return
        self.meddled += 1
        if self.mode == "say":
            client.sendall(self.words)

    def _answer(self, got: bytes, server: socket.socket, client: socket.socket) -> None:
        if self.mode == "swallow":
            return
        if self.mode == "tear" and len(got) > MIDDLE:
            self.meddled += 1
            client.sendall(got[:MIDDLE])
            raise OSError("cut here")
        if self.mode == "stutter":
            self.meddled += 1
            for number in range(len(got)):
                client.sendall(got[number : number + 1])
                time.sleep(0.0005)
            return
        client.sendall(got)
