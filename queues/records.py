"""The record of a run as Redis holds it, read into frozen values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from queues import schemas
from queues.errors import NewerSchema
from queues.keys import RESERVED_FIELDS, line_of
from queues.states import LETTERS, TERMINAL, State

LARGEST_DATA = 1 << 20
"""Bytes that one of the big things of a run may have when it is made: its parameters."""

STATES = {letter: state for state, letter in LETTERS.items()}

LONGEST_NUMBER = 18
"""Digits of a number in a record, as the scripts take them: microseconds until the year 9999."""

UNREADABLE = "Unreadable"
"""The name of the state of a run whose record can not be relied on."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """One line of a run's history."""

    at_us: int
    state: State
    actor: str
    reason: str

    @classmethod
    def parse(cls, line: str, created_us: int) -> Self:
        """Read a history field: `<us since the run was made> <STATE> <actor> <reason>`; raises ValueError."""
        after, state, actor, reason = (*line.split(" ", 3), "")[:4]
        return cls(at_us=created_us + int(after), state=State(state), actor=actor, reason=reason)

    @classmethod
    def unpack(cls, line: str, created_us: int, agent: str) -> Self:
        """Read a line of a record that has ended: states are letters there, @ is its agent; raises ValueError."""
        after, letter, actor, reason = (*line.split(" ", 3), "")[:4]
        if letter not in STATES:
            raise ValueError(letter)
        actor = f"agent:{agent}" if actor == "@" else actor
        return cls(at_us=created_us + int(after), state=STATES[letter], actor=actor, reason=reason)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The record of a run; `fields` holds what floors above gave it, times are microseconds since the epoch.

    `groups` are known while it has not ended. `requires` are the labels that an agent must have to start it. `alone` is
    set for the last try of a run that was lost beside others: `wanted` while it waits for an agent of its own, then
    `now`, or `beside` when none became empty.
    `claim` is the claim id while the run is held, its first characters when it has ended. `problem` says why the record
    can not be relied on: a newer version wrote it, or something else did. What could not be read of it is left out
    then, and a state that can not be read is given as FAILED.
    """

    id: str
    state: State
    state_name: str | None
    queue: str
    due_us: int
    created_us: int
    started_us: int | None
    ended_us: int | None
    cancel_requested_us: int | None
    attempt: int
    token: int
    claim: str
    agent: str | None
    limits: tuple[str, ...]
    held: tuple[str, ...]
    groups: tuple[str, ...]
    requires: tuple[str, ...]
    parked: str | None
    on_lost: str
    max_lost: int
    lost: int
    alone: str | None
    failures: int
    reason: str
    fields: Mapping[str, str]
    history: tuple[Move, ...]
    problem: str = ""

    @property
    def is_terminal(self) -> bool:
        """Say whether the run has ended for good."""
        return self.state in TERMINAL

    @property
    def line(self) -> str:
        """Name the line of its queue in which it stands while it waits."""
        return line_of(self.queue, self.requires)

    @classmethod
    def parse(cls, run_id: str, raw: Mapping[bytes, bytes]) -> Self:
        """Read a record as HGETALL gives it."""
        reading = _Reading(run_id, raw)
        text, number, lines = reading.text, reading.number, reading.lines
        created_us = number("created") or 0
        state, history = reading.state(), reading.history(created_us)
        return cls(
            id=run_id,
            state=state,
            state_name=UNREADABLE if reading.problem else text.get("state_name"),
            queue=text.get("queue", ""),
            due_us=number("due") or 0,
            created_us=created_us,
            started_us=number("started"),
            ended_us=number("ended"),
            cancel_requested_us=number("cancel_requested"),
            attempt=number("attempt") or 0,
            token=number("token") or 0,
            claim=text.get("claim", ""),
            agent=text.get("agent"),
            limits=lines("limits"),
            held=lines("held"),
            groups=lines("groups"),
            requires=lines("requires"),
            parked=text.get("parked"),
            on_lost=text.get("on_lost", "rerun"),
            max_lost=number("max_lost") or 3,
            lost=number("lost") or 0,
            alone=text.get("alone"),
            failures=number("failures") or 0,
            reason=text.get("reason", ""),
            fields={name: text[name] for name in text if name not in RESERVED_FIELDS and not is_move(name)},
            history=history,
            problem=reading.problem,
        )


class _Reading:
    """The fields of one record, and the first thing about them that is not as we write it."""

    def __init__(self, run_id: str, raw: Mapping[bytes, bytes]) -> None:
        record = {name.decode("utf-8", "replace"): value for name, value in raw.items()}
        self.text = {name: joined(record, name) for name in record if name and "~" not in name}
        self.problem = ""
        try:
            schemas.refuse_newer(f"the run {run_id}", self.text, schemas.RUN)
        except NewerSchema as newer:
            self.problem = str(newer)

    def number(self, name: str) -> int | None:
        """A number; a few digits too many are as wrong as a word."""
        text = self.text.get(name)
        if text is None:
            return None
        digits = text.removeprefix("-")
        if not (digits.isdigit() and digits.isascii() and len(digits) <= LONGEST_NUMBER):
            self._wrong(name)
            return None
        return int(text)

    def lines(self, name: str) -> tuple[str, ...]:
        return tuple(self.text[name].split("\n")) if self.text.get(name) else ()

    def state(self) -> State:
        try:
            return State(self.text.get("state", ""))
        except ValueError:
            self._wrong("state")
            return State.FAILED

    def history(self, created_us: int) -> tuple[Move, ...]:
        numbered = sorted((int(name[1:]), line) for name, line in self.text.items() if is_move(name))
        moves = []
        for number, line in numbered:
            try:
                moves.append(Move.parse(line, created_us))
            except ValueError:
                self._wrong(f"h{number}")
        return (*self._past(created_us), *moves)

    def _past(self, created_us: int) -> Iterator[Move]:
        for line in self.lines("past"):
            try:
                yield Move.unpack(line, created_us, self.text.get("agent", ""))
            except ValueError:
                self._wrong("past")

    def _wrong(self, name: str) -> None:
        self.problem = self.problem or f"its {name} can not be read: {self.text.get(name, 'missing')[:80]!r}"


def whole(text: object, default: int = 0) -> int:
    """A whole number out of Redis; the default for anything else, which must not stop a list of others."""
    said = text.decode("ascii", "replace") if isinstance(text, bytes) else str(text)
    return int(said) if said.isascii() and said.isdigit() and len(said) <= LONGEST_NUMBER else default


def joined(record: Mapping[str, bytes], name: str) -> str:
    """Put a value together that continues in name~1, name~2 …"""
    pieces, i = [record[name]], 1
    while (piece := record.get(f"{name}~{i}")) is not None:
        pieces.append(piece)
        i += 1
    return b"".join(pieces).decode("utf-8", "replace")


def is_move(name: str) -> bool:
    """Say whether a field of the record is a line of its history: h1, h2 …"""
    return name[0] == "h" and name[1:].isdigit() and name.isascii() and len(name) < 10
