"""Finding the master behind Sentinels: asked anew for every connection, never remembered.

*Away* (nobody can claim) is only what most of the Sentinels of the address confirm: each of them answers, and says that
the master is down, or names one that refuses connections. A single Sentinel may be cut off together with this machine
while the others have chosen another master, at which other agents claim. For the same reason a server that calls itself
a replica, or misses its replicas, is not away here: the master may be elsewhere by now.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis.exceptions as failures
from redis.backoff import NoBackoff
from redis.retry import Retry

from queues.address import Place, RedisAddress, shown
from queues.errors import RedisFailure, RedisRefused, RedisUnreachable
from queues.outages import outage
from queues.sockets import BoundedConnection, BoundedTlsConnection, tls_options

LEAST_SECONDS = 0.02
DOWN = {"s_down", "o_down"}
LIST_ALL = "Name all Sentinels in HEADGATE_REDIS_URL, with their ports; they usually listen on 26379."
LOGIN = (
    "Give them a login of their own: ?sentinel_password=… and, if they have users, sentinel_username=… in"
    " HEADGATE_REDIS_URL."
)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one Sentinel said: the master and whether it thinks that this is down, or why it did not say."""

    master: Place | None = None
    down: bool = False
    unknown: bool = False
    """Whether it knows no master of that name."""
    failure: RedisFailure | None = None
    epoch: int = 0
    """Grows with every fail-over: of two answers the one with the higher is the newer."""


class Sentinels:
    """The Sentinels of an address; the one that helped last is asked first."""

    def __init__(self, address: RedisAddress) -> None:
        self.address = address
        self._order = list(address.sentinels)

    def __deepcopy__(self, _: Any) -> Sentinels:
        return self  # redis-py copies the settings of a pool

    def doubt(self) -> None:
        """Ask the Sentinel that helped last after all others: what it named is no master."""
        self._order.append(self._order.pop(0))

    def connect(self, dial: Callable[[Answer, float], socket.socket], until: float) -> socket.socket:
        """Dial the master that a Sentinel names, before a time of the monotonic clock; RedisFailure says why not."""
        answers: list[Answer] = []
        refused: set[Place] = set()
        unclear: OSError | None = None
        for index, place in enumerate(list(self._order)):
            # What the Sentinels need at most leaves the master as much as one of them.
            share = max((until - time.monotonic()) / (len(self._order) - index + 1), LEAST_SECONDS)
            answers.append(answer := self.ask(self.door(place, share), share))
            if answer.master is None or answer.down or answer.master in refused or unclear is not None:
                continue
            left = until - time.monotonic()
            try:
                made = dial(answer, time.monotonic() + (left / 2 if index + 1 < len(self._order) else left))
            except ConnectionRefusedError:
                refused.add(answer.master)
            except OSError as error:
                unclear = error
            else:
                self._order.remove(place)
                self._order.insert(0, place)
                return made
        raise self._verdict(answers, unclear)

    def _verdict(self, answers: list[Answer], unclear: OSError | None) -> RedisFailure:
        """Why there is no connection."""
        where = str(self.address)
        if unclear is not None:
            # It was named and did not answer: others may reach it.
            hint = "Check the network between this machine and the master, and that the Sentinels announce its address."
            return RedisUnreachable(where, "its master does not answer", code="timed_out", hint=hint)
        telling = [answer for answer in answers if answer.master is not None]
        if telling:
            away = len(telling) > len(answers) / 2
            cause = "its Sentinels say that no master serves" if away else "too few of its Sentinels answer to be sure"
            hint = "Wait until they have chosen another master; if that takes long, look at their logs."
            return RedisUnreachable(where, cause, away=away, code="no_master", hint=hint)
        if any(answer.unknown for answer in answers):
            hint = "Write the name that `SENTINEL MASTERS` shows behind the / of HEADGATE_REDIS_URL."
            cause = f"its Sentinels know no master named {self.address.master!r}"
            return RedisRefused(where, cause, code="unknown_master", hint=hint)
        found = [answer.failure for answer in answers if answer.failure is not None]
        refusal = next((failure for failure in found if isinstance(failure, RedisRefused)), None)
        if refusal is not None:
            return refusal
        causes = "; ".join(
            f"{shown(place)}: {failure.cause}" for place, failure in zip(self._order, found, strict=True)
        )
        return RedisUnreachable(where, f"none of its Sentinels answers ({causes})", code="no_sentinel", hint=LIST_ALL)

    def door(self, place: Place, seconds: float) -> Any:
        """A connection to one Sentinel that is not made yet."""
        kind: type[Any] = BoundedTlsConnection if self.address.secure else BoundedConnection
        settings: dict[str, Any] = {"socket_connect_timeout": seconds, "socket_timeout": seconds, "driver_info": None}
        settings |= {"host": place[0], "port": place[1], "protocol": 2, "retry": Retry(NoBackoff(), 0)}
        return kind(**settings, **tls_options(self.address))

    def ask(self, connection: Any, seconds: float, *, keep: bool = False) -> Answer:
        """Ask one Sentinel; its connection is closed unless it is kept for the next time and all went well."""
        try:
            connection.connect()
            answer = self._talk(connection, time.monotonic() + seconds)
        except failures.RedisError as failure:
            answer = Answer(failure=self._named((connection.host, connection.port), failure))
        if not keep or answer.failure is not None:
            connection.disconnect()
        return answer

    def _talk(self, connection: Any, until: float) -> Answer:
        user, password = self.address.sentinel_login
        commands = [("AUTH", *([user] if user else []), password)] if password else []
        commands.append(("SENTINEL", "MASTER", self.address.master))
        for command in commands:
            connection.send_command(*command)
        said: Any = None
        for _ in commands:
            connection._sock.settimeout(max(until - time.monotonic(), 0.01))
            try:
                said = connection.read_response(disconnect_on_error=False)
            except (failures.ResponseError, failures.AuthenticationError) as error:
                # A Sentinel without a password refuses one, and answers the question all the same.
                said = error
        if isinstance(said, failures.RedisError):
            if "No such master" in str(said):
                return Answer(unknown=True)
            raise said
        try:
            facts = dict(zip(said[::2], said[1::2], strict=True))
            flags = set(facts[b"flags"].decode().split(","))
            place = facts[b"ip"].decode(), int(facts[b"port"])
            return Answer(master=place, down=bool(flags & DOWN), epoch=int(facts.get(b"config-epoch", 0)))
        except (TypeError, ValueError, KeyError) as error:
            raise failures.InvalidResponse(f"Protocol Error: {said!r:.80}") from error

    def _named(self, place: Place, failure: failures.RedisError) -> RedisFailure:
        where = shown(place)
        if "unknown command" in str(failure):
            hint = "Write redis:// for a server without Sentinel. " + LIST_ALL
            return RedisRefused(where, "it is no Sentinel", code="sentinel", hint=hint)
        found = outage(failure, where) or RedisRefused(where, str(failure), code="sentinel", hint=LIST_ALL)
        if found.code == "auth":
            return RedisRefused(where, "this Sentinel does not accept the login", code="auth", hint=LOGIN)
        return found
