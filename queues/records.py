"""The record of a run as Redis holds it, read into frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from queues.keys import RESERVED_FIELDS
from queues.states import TERMINAL, State


@dataclass(frozen=True, kw_only=True)
class Move:
    """One line of a run's history."""

    at_us: int
    state: State
    actor: str
    reason: str

    @classmethod
    def parse(cls, line: str, created_us: int) -> Self:
        """Read a history field: `<us since the run was made> <STATE> <actor> <reason>`."""
        after, state, actor, reason = (*line.split(" ", 3), "")[:4]
        return cls(at_us=created_us + int(after), state=State(state), actor=actor, reason=reason)


@dataclass(frozen=True, kw_only=True)
class Run:
    """The record of a run; `fields` holds what floors above gave it, times are microseconds since the epoch.

    `claim` is the claim id while the run is held, its first characters when it has ended.
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
    parked: str | None
    on_lost: str
    max_lost: int
    lost: int
    failures: int
    reason: str
    fields: Mapping[str, str]
    history: tuple[Move, ...]

    @property
    def is_terminal(self) -> bool:
        """Say whether the run has ended for good."""
        return self.state in TERMINAL

    @classmethod
    def parse(cls, run_id: str, raw: Mapping[bytes, bytes]) -> Self:
        """Read a record as HGETALL gives it."""
        record = {name.decode(): value for name, value in raw.items()}
        text = {name: joined(record, name) for name in record if "~" not in name}

        def number(name: str) -> int | None:
            return int(text[name]) if name in text else None

        def lines(name: str) -> tuple[str, ...]:
            return tuple(text[name].split("\n")) if text.get(name) else ()

        moves = sorted((int(name[1:]), line) for name, line in text.items() if is_move(name))
        return cls(
            id=run_id,
            state=State(text["state"]),
            state_name=text.get("state_name"),
            queue=text["queue"],
            due_us=number("due") or 0,
            created_us=number("created") or 0,
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
            parked=text.get("parked"),
            on_lost=text.get("on_lost", "rerun"),
            max_lost=number("max_lost") or 3,
            lost=number("lost") or 0,
            failures=number("failures") or 0,
            reason=text.get("reason", ""),
            fields={name: text[name] for name in text if name not in RESERVED_FIELDS and not is_move(name)},
            history=tuple(Move.parse(line, number("created") or 0) for _, line in moves),
        )


def joined(record: Mapping[str, bytes], name: str) -> str:
    """Put a value together that continues in name~1, name~2 …"""
    pieces, i = [record[name]], 1
    while (piece := record.get(f"{name}~{i}")) is not None:
        pieces.append(piece)
        i += 1
    return b"".join(pieces).decode("utf-8", "replace")


def is_move(name: str) -> bool:
    """Say whether a field of the record is a line of its history: h1, h2 …"""
    return name[0] == "h" and name[1:].isdigit()
