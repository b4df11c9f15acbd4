"""Asking although something is broken: what can not be answered is told, and every other question is still asked."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from orchestrator.client.doctor.fleet import BEHIND_SECONDS, Fleet
from orchestrator.client.doctor.values import Problem
from orchestrator.client.doctor.waiting import Lines
from orchestrator.store import Store
from orchestrator.store.leader import Leader, read_leader
from queues.audit import STANDING, Audit, Audited
from queues.clock import seconds_to_us
from queues.errors import HeadgateQueueError, RedisFailure, WrongKeyType
from queues.keys import DEFAULT_QUEUE
from queues.presence import Agent
from queues.records import whole
from queues.work_queue import Line, WorkQueue

T = TypeVar("T")
NOBODY = Leader(leads=False, host=None, pid=None, since_us=None, beat_us=None)


class Questions:
    """Reads what the parts of the examination judge; `unanswered` has what could not be read, by what.

    `wrong_types`: keys of another type are known, and told by whoever found them.
    """

    def __init__(self, store: Store, *, wrong_types: bool) -> None:
        self._store = store
        self._ask = store.scripts.ask
        self._wrong_types = wrong_types
        self.unanswered: list[Problem] = []
        self.now_us = store.scripts.now_us()
        self.agents: list[Agent] = self.attempt("agents", store.presence.all, [])

    def attempt(self, what: str, look: Callable[[], T], otherwise: T) -> T:
        """The answer, or `otherwise`; outages of Redis are raised, for then nothing can be examined."""
        try:
            return look()
        except HeadgateQueueError as error:
            if isinstance(error, RedisFailure) and error.code != "no_permission":
                raise
            of_type = isinstance(error, WrongKeyType) or "WRONGTYPE" in str(error)
            if not (of_type and self._wrong_types):
                message = f"it could not be examined: {error}"
                remedy = "headgate doctor --debug"
                self.unanswered.append(Problem(code="not-examined", where=what, message=message, remedy=remedy))
            return otherwise

    def fleet(self, grace_seconds: float) -> Fleet:
        """Who is at work, and what a scheduler should have dealt with by now."""
        store, keys, behind_us = self._store, self._store.keys, self.now_us - seconds_to_us(BEHIND_SECONDS)
        ended_us = behind_us - seconds_to_us(grace_seconds)
        window: Any = self.attempt(
            "recovery", lambda: self._ask(lambda client: client.hmget(keys.recovery, "no_expiry_before", "reason")), []
        )
        no_expiry, reason = window or (None, None)
        return Fleet(
            now_us=self.now_us,
            leader=self.attempt("scheduler", lambda: read_leader(store.own_scripts, keys, self.now_us), NOBODY),
            agents=self.agents,
            ended_leases=self._until(keys.leases, ended_us),
            overdue_runs=self._until(keys.delayed, behind_us),
            overdue_schedules=self._until(keys.due, behind_us),
            in_use=bool(self.agents) or self._in_use(),
            no_expiry_before_us=whole(no_expiry),
            reason=(reason or b"").decode("utf-8", "replace"),
        )

    def lines(self, late_us: int) -> Lines:
        """What waits, and what it waits for."""
        store, queues = self._store, self._queues()
        limits: Any = self.attempt("limits", lambda: self._ask(lambda client: client.hgetall(store.keys.limits)), {})
        return Lines(
            now_us=self.now_us,
            late_us=late_us,
            queues=queues,
            agents=self.agents,
            standing={queue.name: self._standing(queue.name) for queue in queues if queue.queued},
            limits={_text(name): _text(number) for name, number in limits.items()},
            deployments=self.attempt("deployments", store.deployments.all, []),
        )

    def audit(self, lines: Lines) -> Audited:
        """Runs that stand where they should not."""
        audit = Audit(self._store.scripts)
        names = [queue.name for queue in lines.queues]
        return self.attempt("runs", lambda: audit.all(names, lines.limits), Audited(looked=0, found=()))

    def _until(self, key: str, at_us: int) -> int:
        return int(self.attempt(key, lambda: self._ask(lambda client: client.zcount(key, "-inf", at_us)), 0))

    def _in_use(self) -> bool:
        keys = [self._store.keys.deployments, *(self._store.keys.state(state) for state in sorted(STANDING))]
        return bool(self._ask(lambda client: client.exists(*keys)))

    def _queues(self) -> list[WorkQueue]:
        """The work queues; where one can not be read, the others."""
        queues = self._store.queues
        found = self.attempt("work queues", queues.all, None)
        if found is not None:
            return found
        members: Any = self.attempt(
            "work queues", lambda: self._ask(lambda client: client.smembers(self._store.keys.queues)), set()
        )
        names = sorted({DEFAULT_QUEUE, *map(_text, members)})
        read = [self.attempt(f"work queue {name}", partial(queues.get, name), None) for name in names]
        return [queue for queue in read if queue is not None]

    def _standing(self, queue: str) -> list[Line]:
        return self.attempt(self._store.keys.waiting(queue), lambda: self._store.queues.lines(queue), [])


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
