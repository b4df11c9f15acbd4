"""Which failure of Redis is which: away (nobody can claim), cut (others may), refused, or a defect of ours.

A server that refuses connections, or answers LOADING, MISCONF, READONLY, is away: no agent gets a claim out of it.
A time-out, an unreachable host or an unknown name may be our end of the network only, so it is not away; nor is a
connection that was cut, until a fresh one is refused.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import redis.exceptions as failures

from queues.errors import HeadgateQueueError, OutOfMemory, RedisFailure, RedisRefused, RedisUnreachable, ScriptFailed

START = "Start it, or set HEADGATE_REDIS_URL to where it runs; `headgate start` brings one of its own."
LOOK = "Look at the server's log."
AWAY_REPLIES = {
    "LOADING": ("loading", "it is loading its data", "Wait: it serves when it has read its data."),
    "MISCONF": ("not_saving", "it can not write to its disk and takes no changes", "Free space on its disk. " + LOOK),
    "READONLY": ("read_only", "it is a replica and takes no changes", "Give the address of the master."),
    "MASTERDOWN": ("read_only", "it is a replica without its master", "Give the address of the master."),
    "UNBLOCKED": ("read_only", "it has become a replica and takes no changes", "Give the address of the master."),
    "NOREPLICAS": ("read_only", "it has too few replicas to take changes", LOOK),
    "BUSY": ("busy", "it is busy with a long script", "Wait; if it stays so, SCRIPT KILL ends that script."),
    "TRYAGAIN": ("cluster", "a cluster is moving our keys", "Wait until the cluster has moved them."),
    "CLUSTERDOWN": ("cluster", "its cluster is down", LOOK),
}
REFUSED_REPLIES = {
    "WRONGPASS": ("auth", "wrong user name or password", "Check the user and password in HEADGATE_REDIS_URL."),
    "NOAUTH": (
        "auth",
        "it wants a password and none was given",
        "Write it into HEADGATE_REDIS_URL: redis://:PASSWORD@…",
    ),
    "NOPERM": (
        "no_permission",
        "this user may not do that",
        "Give the user the commands and keys that Headgate needs.",
    ),
    "DENIED": ("protected", "it is in protected mode and only talks to its own machine", "Give it a password."),
    "MOVED": ("cluster", "it is a node of a cluster", "Headgate needs a single server, not a cluster."),
    "CROSSSLOT": ("cluster", "it is a node of a cluster", "Headgate needs a single server, not a cluster."),
}
AWAY_ERRNOS = {errno.ECONNREFUSED, errno.ENOENT}
TLS_ALERT = b"\x15\x03"
TEXTS = {
    errno.ECONNREFUSED: ("refused", "the connection was refused: no server listens there"),
    errno.ENOENT: ("refused", "there is no such socket"),
    errno.EACCES: ("no_permission", "this user may not open the socket"),
    errno.EHOSTUNREACH: ("unreachable", "there is no way to that host"),
    errno.ENETUNREACH: ("unreachable", "there is no network to that host"),
    errno.ETIMEDOUT: ("timed_out", "it did not answer in time"),
}


def translate(failure: failures.RedisError, address: str, verb: str = "") -> HeadgateQueueError:
    """Make our error of one of redis-py; `address` must hold no password. What is no outage is a ScriptFailed."""
    return outage(failure, address) or ScriptFailed(verb, str(failure))


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Raise RedisUnreachable or RedisRefused for every outage within; other answers of Redis pass unchanged."""
    try:
        yield
    except failures.RedisError as failure:
        known = outage(failure, address)
        if known is None:
            raise
        raise known from failure


def outage(failure: failures.RedisError, address: str) -> RedisFailure | None:
    """Make our error of a failure that is about the server or the way to it; None for any other answer of Redis."""
    code, text = _reply(failure)
    if code == "OOM":
        hint = "Raise its maxmemory, or shorten how long runs and logs are kept."
        return OutOfMemory(address, "it is at its memory limit and takes nothing new", code="full", hint=hint)
    if code in AWAY_REPLIES:
        name, cause, hint = AWAY_REPLIES[code]
        return RedisUnreachable(address, cause, away=True, code=name, hint=hint)
    if code in REFUSED_REPLIES:
        name, cause, hint = REFUSED_REPLIES[code]
        return RedisRefused(address, f"{cause} ({text[:160]})" if code == "NOPERM" else cause, code=name, hint=hint)
    if isinstance(failure, failures.AuthenticationError):
        hint = "Check the user and password in HEADGATE_REDIS_URL."
        return RedisRefused(address, "it does not accept this user name and password", code="auth", hint=hint)
    if isinstance(failure, failures.InvalidResponse):
        return _not_redis(str(failure), address)
    if isinstance(failure, failures.TimeoutError):
        hint = "Check the address, the network and any firewall between."
        return RedisUnreachable(address, "it did not answer in time", code="timed_out", hint=hint)
    if isinstance(failure, failures.ConnectionError):
        return _no_connection(failure, address)
    if "DB index is out of range" in text:
        return RedisRefused(address, "it has no such db", code="db", hint="Use a db from 0 to 15, or none.")
    return None


def _reply(failure: failures.RedisError) -> tuple[str, str]:
    """The code and text of an error reply; scripts report the reply of a command inside them within their own."""
    text = str(failure)
    code = getattr(failure, "status_code", None) or text.split(" ", 1)[0]
    for known in (*AWAY_REPLIES, *REFUSED_REPLIES, "OOM"):
        if code == known or f"-{known} " in text[:200]:
            return known, text
    return str(code), text


def _not_redis(text: str, address: str) -> RedisFailure:
    if repr(TLS_ALERT)[2:-1] in text:
        return RedisRefused(address, "it speaks TLS only", code="tls", hint="Write rediss:// instead of redis://.")
    speaks = "HTTP" if any(mark in text for mark in ("HTTP", "<!DOCTYPE", "<html")) else "another protocol"
    hint = "Check the port: Redis usually listens on 6379."
    return RedisRefused(address, f"what listens there is not Redis, it speaks {speaks}", code="not_redis", hint=hint)


def _no_connection(failure: BaseException, address: str) -> RedisFailure:
    """Tell connection failures apart by the operating system's error that redis-py wraps."""
    cause = _first(failure, ssl.SSLError)
    if isinstance(cause, ssl.SSLError):
        return _tls(cause, address)
    if _first(failure, socket.gaierror):
        hint = "Check the spelling of the host, and its name server."
        return RedisUnreachable(address, "no address is known for that host name", code="unknown_host", hint=hint)
    found = _first(failure, OSError)
    number = found.errno if isinstance(found, OSError) and found.errno is not None else 0
    code, text = TEXTS.get(number, ("lost", "the connection was closed"))
    away = number in AWAY_ERRNOS
    hint = START if away else f"{LOOK} If it speaks TLS only, write rediss:// instead of redis://."
    if str(failure).startswith("max number of clients"):
        code, text, hint = "full", "it has as many clients as it takes", "Raise its maxclients."
    return RedisUnreachable(address, text, away=away, code=code, hint=hint)


def _tls(cause: ssl.SSLError, address: str) -> RedisFailure:
    if isinstance(cause, ssl.SSLCertVerificationError):
        hint = "Use the host name in its certificate, and name its authority: ?ssl_ca_certs=/path/to/ca.pem."
        return RedisRefused(address, f"its certificate does not hold: {cause.verify_message}", code="tls", hint=hint)
    if cause.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"):
        return RedisRefused(address, "it does not speak TLS", code="tls", hint="Write redis:// instead of rediss://.")
    hint = "Check ssl_ca_certs, ssl_certfile and ssl_keyfile in HEADGATE_REDIS_URL."
    return RedisRefused(address, f"TLS failed: {cause.reason or cause}", code="tls", hint=hint)


def _first(failure: BaseException, kind: type[BaseException]) -> BaseException | None:
    """The first exception of a kind in the chain of causes."""
    seen: BaseException | None = failure
    while seen is not None and not isinstance(seen, kind):
        seen = seen.__cause__ or seen.__context__
    return seen
