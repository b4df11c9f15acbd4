"""Servers that are not the Redis one hopes for: silent ones, web servers, old versions; each on a fresh local port."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Answer = Callable[[bytes], bytes | None]
"""What to send for the bytes received; None closes the connection."""


@contextmanager
def stranger(answer: Answer, *, tls: ssl.SSLContext | None = None) -> Iterator[int]:
    """Listen on a port of this machine and answer every received chunk with `answer`; gives the port."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def talk(plain: socket.socket) -> None:
        with plain if tls is None else tls.wrap_socket(plain, server_side=True) as peer:
            while (got := peer.recv(65536)) and not stop.is_set():
                said = answer(got)
                if said is None:
                    return
                peer.sendall(said)

    def serve() -> None:
        while not stop.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_quietly(talk), args=(peer,), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)  # closing alone would leave the thread in accept() listening
        listener.close()


def _quietly(talk: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    def run(peer: socket.socket) -> None:
        try:
            talk(peer)
        except OSError:
            return

    return run


def server_context(folder: Path, name: str) -> ssl.SSLContext:
    """A TLS server's side with a self-signed certificate for `name`; the certificate is `cert.pem` in the folder."""
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}"]
    names = ["-addext", f"subjectAltName=DNS:{name}", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(["openssl", "req", *words, *names], cwd=folder, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def redis_that_says(**facts: str) -> Answer:
    """A server that takes every command and whose INFO holds `facts`."""
    info = "# Server\r\n" + "".join(f"{name}:{value}\r\n" for name, value in facts.items())

    def answer(got: bytes) -> bytes:
        said = b""
        for command in got.split(b"*")[1:]:
            said += f"${len(info)}\r\n{info}\r\n".encode() if b"INFO" in command else b"+OK\r\n"
        return said

    return answer


def redis_that_refuses(reply: str) -> Answer:
    """A server that greets well and answers every other command with one error reply."""
    greets = redis_that_says(redis_version="7.0.0", redis_mode="standalone", run_id="a" * 40)
    polite = (b"INFO", b"CLIENT", b"AUTH")
    return lambda got: greets(got) if any(word in got for word in polite) else f"-{reply}\r\n".encode()


def sentinel_that_says(port: int, *flags: str, password: str = "", master: str = "m", epoch: int = 0) -> Answer:
    """A Sentinel that names 127.0.0.1:`port` as the master with these flags, to whoever gives its password if any."""
    facts = [
        "name",
        master,
        "ip",
        "127.0.0.1",
        "port",
        str(port),
        "flags",
        ",".join(("master", *flags)),
        "config-epoch",
        str(epoch),
    ]
    named = f"*{len(facts)}\r\n" + "".join(f"${len(fact)}\r\n{fact}\r\n" for fact in facts)
    let_in = not password

    def reply(command: bytes) -> str:
        nonlocal let_in
        if b"AUTH" in command:
            if not password:
                return "-ERR AUTH <password> called without any password configured for the default user.\r\n"
            let_in = password.encode() in command
            return "+OK\r\n" if let_in else "-WRONGPASS invalid username-password pair or user is disabled.\r\n"
        if not let_in:
            return "-NOAUTH Authentication required.\r\n"
        return named if f"\r\n{master}\r\n".encode() in command else "-ERR No such master with that name\r\n"

    return lambda got: "".join(reply(command) for command in got.split(b"*")[1:]).encode()
