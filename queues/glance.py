"""A few questions to Redis over a bare socket, for the one place that has no time to import redis-py: completion.

Nothing is retried, checked or greeted, and every failure is OSError or ValueError: an answer that is late or odd is
worth nothing there. Whatever has effects goes through `queues.connection`.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from queues.address import NO, RedisAddress, parse_url

MOST_ITEMS = 100_000

Command = Sequence[str]


def glance(url: str, commands: Sequence[Command], *, within: float) -> list[Any]:
    """Send read-only commands in one go and give their replies: bytes, int, None, or lists of these.

    Raises OSError (late answers are TimeoutError) or ValueError (an error reply, or what is no Redis).
    """
    until = time.monotonic() + within
    address = parse_url(url)
    if address.sentinels:
        address = master(address, until)
    return asked(address, [*login(address), *commands], until)[-len(commands) :]


def master(address: RedisAddress, until: float) -> RedisAddress:
    """Where the first Sentinel that answers says that the master is."""
    name, password = address.sentinel_login
    if password is None:
        name, password = address.username, address.password
    for host, port in address.sentinels:
        door = replace(address, host=host, port=port, username=name, password=password, sentinels=(), db=0)
        try:
            facts = asked(door, [*login(door), ("SENTINEL", "master", address.master)], until)[-1]
            found = dict(zip(facts[::2], facts[1::2], strict=True))
            return replace(address, host=found[b"ip"].decode(), port=int(found[b"port"]), sentinels=())
        except (OSError, ValueError):
            continue
    raise OSError("no Sentinel names a master")


def login(address: RedisAddress) -> list[Command]:
    """The commands that log in and choose the database."""
    user = [address.username] if address.username else []
    first: list[Command] = [("AUTH", *user, address.password)] if address.password is not None else []
    return [*first, ("SELECT", str(address.db))] if address.db else first


def asked(address: RedisAddress, commands: Sequence[Command], until: float) -> list[Any]:
    """The replies of one server."""
    with dialled(address, until) as connection:
        connection.sendall(b"".join(map(packed, commands)))
        with connection.makefile("rb") as stream:
            replies = []
            for _ in commands:
                connection.settimeout(left(until))
                replies.append(reply(stream))
            return replies


def dialled(address: RedisAddress, until: float) -> socket.socket:
    """A connection to a server."""
    if address.scheme == "unix":
        plain = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        plain.settimeout(left(until))
        plain.connect(address.path)
        return plain
    plain = socket.create_connection((address.host, address.port), timeout=left(until))
    return encrypted(plain, address) if address.secure else plain


def encrypted(plain: socket.socket, address: RedisAddress) -> socket.socket:
    """The connection under TLS, with the certificates that the address names."""
    import ssl

    options = dict(address.tls)
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    if options.get("ssl_check_hostname", "").lower() in NO:
        context.check_hostname = False
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(plain, server_hostname=address.host)


def left(until: float) -> float:
    """Seconds until a time of the monotonic clock; TimeoutError when there are none."""
    seconds = until - time.monotonic()
    if seconds <= 0:
        raise TimeoutError("no time is left")
    return seconds


def packed(command: Command) -> bytes:
    """A command as Redis reads it."""
    words = [word.encode() for word in command]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


def reply(stream: BinaryIO) -> Any:
    """One reply; ValueError for an error of the server and for what is no reply."""
    line = stream.readline()
    kind, rest = line[:1], line[1:].rstrip(b"\r\n")
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"$":
        length = int(rest)
        return None if length < 0 else stream.read(length + 2)[:-2]
    if kind == b"*" and int(rest) <= MOST_ITEMS:
        return [reply(stream) for _ in range(int(rest))]
    raise ValueError(line[:200].decode(errors="replace") or "the connection was closed")
