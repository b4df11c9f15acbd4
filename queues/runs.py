"""The records of runs, and the moves that clients and the scheduler make, for one or many: create, cancel, forget …"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Self

from queues import events
from queues.errors import InvalidValue, NewerSchema, UnknownQueue
from queues.keys import FIELD, LIMIT, RESERVED_FIELDS, checked_labels
from queues.records import LARGEST_DATA, Move, Run
from queues.scripts import Scripts
from queues.states import State

__all__ = ["Cancelled", "Created", "Done", "Move", "NewRun", "Promoted", "Run", "Runs"]

CHUNK = 100
"""Runs that one script call promotes or ends at most: about 5 ms of Redis."""

CREATED_AT_ONCE = 50
"""Runs that one script call creates at most: about 4 ms of Redis."""

FORGOTTEN_AT_ONCE = 25
"""Runs that one script call of retention removes at most: about 3 ms of Redis at a million stored runs."""

MOST_LIMITS = 64
LONGEST_FIELD = 4096


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """What a run is made from; `due_us` None means now; `requires` are labels that its agent must have.

    `fields` are for floors above and are never read here.
    """

    id: str
    queue: str
    actor: str
    due_us: int | None = None
    limits: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    fields: Mapping[str, str | int] | None = None
    data: Mapping[str, bytes] | None = None
    on_lost: str = "rerun"
    max_lost: int = 3
    reason: str = ""

    def __post_init__(self) -> None:
        if self.on_lost not in ("rerun", "crash"):
            raise InvalidValue("on_lost", "'rerun' or 'crash'", self.on_lost)
        if not 1 <= self.max_lost <= 1000:
            raise InvalidValue("max_lost", "1 to 1000", self.max_lost)
        if len(self.limits) > MOST_LIMITS:
            raise InvalidValue("limits", f"at most {MOST_LIMITS} limits", self.limits)
        for limit in {*self.limits, *self.groups}:
            if not LIMIT.fullmatch(limit) or limit.startswith("queue:"):
                raise InvalidValue("limits and groups", "kind:name, one line, without |, and not a queue's", limit)
        checked_labels(self.requires)
        for name, value in (self.fields or {}).items():
            if not FIELD.fullmatch(name) or name in RESERVED_FIELDS:
                raise InvalidValue("a field's name", "lower-case letters and _, and none of the record's own", name)
            if len(str(value).encode()) > LONGEST_FIELD:
                raise InvalidValue(f"the field {name}", f"at most {LONGEST_FIELD} bytes (put more into data)", value)
        for name, big in (self.data or {}).items():
            if len(big) > LARGEST_DATA:
                raise InvalidValue(f"the size of {name}", f"at most {LARGEST_DATA} bytes", len(big))

    def packed(self) -> dict[str, Any]:
        """Give the run as the script create takes it: defaults left out, lists joined by line ends."""
        record: dict[str, Any] = {name: str(value) for name, value in (self.fields or {}).items()}
        if self.limits:
            record["limits"] = "\n".join(dict.fromkeys(self.limits))
        if self.groups:
            record["groups"] = "\n".join(dict.fromkeys(self.groups))
        if self.requires:
            record["requires"] = "\n".join(checked_labels(self.requires))
        if self.on_lost != "rerun":
            record["on_lost"] = self.on_lost
        if self.max_lost != 3:
            record["max_lost"] = str(self.max_lost)
        packed = {"id": self.id, "queue": self.queue, "record": record, "actor": self.actor, "reason": self.reason}
        optional = {"due": self.due_us, "data": dict(self.data) if self.data else None}
        return packed | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class Created:
    """The answer to one new run; `created` False means that the id was there, in `state`."""

    id: str
    created: bool
    state: State


@dataclass(frozen=True, kw_only=True)
class Cancelled:
    """What a cancel did: a waiting run is CANCELLED at once, a held one CANCELLING until its agent has ended it."""

    state_before: State
    state: State


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of one of many runs: it went from `before` to `state`, None when it is gone.

    Without `before` nothing was done: `state` and `since_us` refuse it, or `problem` says what its record is like;
    with none of them there is no such run.
    """

    id: str
    before: str | None = None
    state: str | None = None
    since_us: int | None = None
    problem: str | None = None

    @classmethod
    def parse(cls, run_id: str, reply: Mapping[str, Any]) -> Self:
        """Read the answer of a script that goes through many runs."""
        needs = reply.get("needs")
        problem = reply.get("problem") if needs is None else str(NewerSchema("it", needs))
        before, state, since_us = (reply.get(name) for name in ("before", "state", "since"))
        return cls(id=run_id, before=before, state=state, since_us=since_us, problem=problem)


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """How many delayed runs became due, and when the next one will; None when none is left."""

    count: int
    next_due_us: int | None


def chunks(ids: Iterable[str], size: int = CHUNK) -> Iterator[list[str]]:
    """Cut ids into what one script call may take."""
    rest = list(ids)
    return (rest[at : at + size] for at in range(0, len(rest), size))


def parsed(run_id: str, record: Sequence[str]) -> Run | None:
    """The run of a record as the script read_runs gives it: field, value, field, value …"""
    flat = [text.encode("utf-8", "surrogateescape") for text in record]
    return Run.parse(run_id, dict(zip(flat[::2], flat[1::2], strict=True))) if flat else None


class Runs:
    """Creates, reads, cancels, promotes and forgets runs."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._keys = scripts.keys

    def create(self, runs: Sequence[NewRun], *, request_id: str | None = None) -> list[Created]:
        """Record runs that are not there yet, on their queue when due and delayed when not; all or none per fifty.

        A call sent again with its request id within ten minutes gets the first answer. Raises UnknownQueue.
        """
        answers: list[Created] = []
        for at in range(0, len(runs), CREATED_AT_ONCE):
            packed = [run.packed() for run in runs[at : at + CREATED_AT_ONCE]]
            request = f"{request_id}.{at}" if request_id else None
            try:
                reply = self._scripts.call("create", runs=packed, request_id=request)
            except UnknownQueue as unknown:
                raise UnknownQueue(unknown.name, self._nearest_queue(unknown.name)) from None
            answers += [
                Created(id=run["id"], created=new, state=State(state))
                for run, (new, state) in zip(packed, reply, strict=True)
            ]
        return answers

    def get(self, run_id: str) -> Run | None:
        """Read the record of a run."""
        raw = self._scripts.ask(lambda client: client.hgetall(self._keys.run(run_id)))
        return Run.parse(run_id, raw) if raw else None

    def get_many(self, run_ids: Sequence[str]) -> list[Run | None]:
        """Read records, a hundred per round trip, in the order asked."""
        records = (record for chunk in chunks(run_ids) for record in self._scripts.call("read_runs", runs=chunk))
        return [parsed(run_id, record) for run_id, record in zip(run_ids, records, strict=True)]

    def data(self, run_id: str, name: str) -> bytes | None:
        """Read one of the big things of a run: parameters, result, error."""
        return self.data_of([run_id], name)[0]

    def data_of(self, run_ids: Sequence[str], name: str) -> list[bytes | None]:
        """Read the same of many runs in one round trip, in the order asked."""
        return self._scripts.ask_many(lambda pipe: [pipe.hget(self._keys.data(run_id), name) for run_id in run_ids])

    def cancel(self, run_id: str, *, actor: str, reason: str = "", request_id: str | None = None) -> Cancelled:
        """End a waiting run at once, or ask the agent of a held one to; cancelling twice is one cancel.

        Raises UnknownRun, and RefusedByState when the run has ended otherwise.
        """
        reply = self._scripts.call("cancel", run=run_id, actor=actor, reason=reason, request_id=request_id)
        return Cancelled(state_before=State(reply["before"]), state=State(reply["state"]))

    def cancel_many(
        self, run_ids: Iterable[str], *, actor: str, reason: str = "", states: Sequence[str] = ()
    ) -> Iterator[list[Done]]:
        """As `cancel`, for many: a hundred per step; each step gives what became of its runs.

        With `states` only those that are in one of them still: a run that was claimed meanwhile goes on.
        """
        only: dict[str, Any] = {"states": list(states)} if states else {}
        return self._each(run_ids, "cancel_many", actor=actor, reason=reason, **only)

    def cancel_waiting(
        self, run_ids: Iterable[str], *, states: Sequence[str], actor: str, queue: str | None = None, reason: str = ""
    ) -> Iterator[int]:
        """End those runs that wait in one of these states (for a queue), a hundred per step; each gives how many.

        Those that an agent holds, that have ended or wait elsewhere by now stay as they are.
        """
        for chunk in chunks(run_ids):
            arguments = {"runs": chunk, "queue": queue, "states": list(states)}
            yield int(self._scripts.call("cancel_waiting", **arguments, actor=actor, reason=reason))

    def transfer(self, run_ids: Iterable[str], queue: str, *, actor: str) -> int:
        """Let runs that nobody has claimed wait on another work queue, a hundred per call; gives how many it moved.

        Those that an agent holds, that have ended or wait there already stay as they are. Raises UnknownQueue.
        """
        moved = 0
        for chunk in chunks(run_ids):
            moved += self._transfer(chunk, queue, actor)
        if moved:
            events.transferred(queue=queue, count=moved, actor=actor)
        return moved

    def promote(self, limit: int = 1000) -> Promoted:
        """Put delayed runs that are due on their queues, at most `limit`, oldest first."""
        count, next_due = 0, None
        while count < limit:
            reply = self._scripts.call("promote", limit=min(CHUNK, limit - count))
            count, next_due = count + reply["count"], reply.get("next_due")
            if not reply["more"]:
                break
        if count:
            events.promoted(count=count)
        return Promoted(count=count, next_due_us=next_due)

    def forget(self, run_ids: Iterable[str]) -> int:
        """Remove every key and index entry of runs that have ended; others stay. Gives how many were removed."""
        count = sum(
            one.before is not None for step in self._each(run_ids, "forget", size=FORGOTTEN_AT_ONCE) for one in step
        )
        if count:
            events.forgotten(count=count)
        return count

    def delete_many(self, run_ids: Iterable[str], *, actor: str) -> Iterator[list[Done]]:
        """As `forget`, for a person, which is recorded: a hundred per step; each step gives what became of its runs."""
        return self._each(run_ids, "forget", actor=actor)

    def _each(self, run_ids: Iterable[str], verb: str, *, size: int = CHUNK, **arguments: Any) -> Iterator[list[Done]]:
        for chunk in chunks(run_ids, size):
            replies = self._scripts.call(verb, runs=chunk, **arguments)
            # An empty table of Lua is an empty list.
            yield [Done.parse(run_id, reply or {}) for run_id, reply in zip(chunk, replies, strict=True)]

    def _transfer(self, chunk: Sequence[str], queue: str, actor: str) -> int:
        try:
            return int(self._scripts.call("transfer", runs=chunk, queue=queue, actor=actor))
        except UnknownQueue as unknown:
            raise UnknownQueue(unknown.name, self._nearest_queue(unknown.name)) from None

    def _nearest_queue(self, name: str) -> str | None:
        names = [member.decode() for member in self._scripts.ask(lambda client: client.smembers(self._keys.queues))]
        return next(iter(get_close_matches(name, names, n=1)), None)
