"""What a history comes to, in one pass: which moves stand, who held each run when, what was answered. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from queues.clock import to_us
from queues.states import HELD
from tests.chaos.history import History, Record, position

ADOPTED = "taken back"
"""How the reason of a claim begins that an agent proved after Redis had lost it."""
LEASE_ENDED = re.compile(r"lease ended (\S+Z)")
TAIL_SECONDS = 10.0
"""How long before a cut an answer may have been given to a call that the cut undid unseen."""


def when(at_us: int) -> str:
    """A time of Redis as people read it."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at_us)).strftime("%H:%M:%S.%f")


def lease_end(move: Record) -> int | None:
    """When the lease ended for which a move took a run from its agent (microseconds), as its reason says."""
    said = LEASE_ENDED.search(move["reason"])
    return to_us(datetime.fromisoformat(said[1])) if said else None


@dataclass
class Found:
    """What a judge says: what broke the promise, in sentences, how often it was at stake, what is worth noting."""

    occurred: dict[str, int]
    violations: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass
class Tenure:
    """A run in the hands of one agent, from the claim to the move that took it out of them (None: never)."""

    claim: Record
    began: int
    """Place of the claim among the standing moves."""
    ended: int | None = None
    last: Record | None = None
    undone: bool = False

    @property
    def run(self) -> str:
        """Its id."""
        return str(self.claim["run"])

    @property
    def token(self) -> int:
        """What fences it."""
        return int(self.claim["token"])

    @property
    def agent(self) -> str:
        """Who holds it."""
        return str(self.claim["agent"])

    @property
    def adopted(self) -> bool:
        """Whether its claim was lost by Redis and proved by the agent."""
        return str(self.claim["reason"]).startswith(ADOPTED)

    @property
    def expired(self) -> bool:
        """Whether the scheduler took the run from its agent."""
        return self.last is not None and self.last["actor"] == "scheduler"

    def held_at(self, place: int) -> bool:
        """Whether the run was held at a place among the standing moves."""
        return self.began <= place and (self.ended is None or place < self.ended)


class Facts:
    """A history, sorted out. `moves` stand; `undone` were lost with the tail of Redis' file."""

    def __init__(self, history: History) -> None:
        self.cuts = history.of("cut")
        self.moves, self.undone = _parted(history.of("move"), self.cuts, "id")
        self.changes, _ = _parted(history.of("change"), self.cuts, "changes")
        self.undone_runs = {move["run"] for move in self.undone}
        self.moves_of: dict[str, list[Record]] = defaultdict(list)
        for move in self.moves:
            self.moves_of[move["run"]].append(move)
        self.tenures = [*_tenures(self.moves)]
        self.by_token = {(one.run, one.token): one for one in [*_tenures(self.undone, undone=True), *self.tenures]}
        self.acks: dict[str, list[Record]] = defaultdict(list)
        for ack in history.of("ack"):
            self.acks[ack["verb"]].append(ack)
        self.flows: dict[str, list[Record]] = defaultdict(list)
        for flow in sorted(history.of("flow"), key=lambda record: float(record["mono"])):
            self.flows[flow["run"]].append(flow)
        self.answers = [one for one in history.of("answer") if self._known(one)]
        self.sent = {(one["client"], one["run"], one["token"]) for one in history.of("sent")}
        self.late = history.of("late")
        self.faults = history.of("fault")
        self.logs = history.of("log")
        self.instants, self.expected_instants = history.of("instant"), history.of("expected_instant")
        self.end = next(iter(history.of("end")), None)
        self.settings: Record = next(iter(history.of("settings")), {})

    def _known(self, answer: Record) -> bool:
        """Whether the moves are there that an answer tells of; not when a cut undid them before they were seen."""
        return all((run, token) in self.by_token for run, token in answer["tokens"].items())

    def count(self, *kinds: str) -> int:
        """How many faults there were whose name begins so."""
        return sum(fault["what"].startswith(kinds) for fault in self.faults)

    def foreign_ends(self) -> list[Tenure]:
        """Tenures that an agent ended, of those that note what they send, without a call of that very claim."""
        clients = {f"agent:{client}" for client, _, _ in self.sent}
        return [
            tenure
            for tenure in self.tenures
            if tenure.last is not None
            and tenure.last["actor"] in clients
            and " died" not in tenure.last["reason"]
            and (tenure.last["actor"].removeprefix("agent:"), tenure.run, tenure.token) not in self.sent
        ]

    def state(self, run: str) -> str | None:
        """Where the last standing move left a run; None when there is none."""
        return str(self.moves_of[run][-1]["to"]) if run in self.moves_of else None

    def in_tail(self, ack: Record) -> bool:
        """Whether what a call did may have been lost in a cut: its answer came shortly before one, and not durably."""
        near = any(cut["mono"] - TAIL_SECONDS < ack["answered"] < cut["mono"] for cut in self.cuts)
        return near and not ack.get("durable")

    def excused(self, ack: Record) -> bool:
        """Whether one of the runs of a call may differ from its answer, because a cut undid moves."""
        touched = bool(self.undone_runs.intersection(ack["runs"])) and not ack.get("durable")
        return touched or self.in_tail(ack)

    def timeline(self) -> Iterator[tuple[int, Record]]:
        """Standing moves and changes in the order in which Redis made them; with each its place among the moves."""
        changes = iter(self.changes)
        change = next(changes, None)
        for place, move in enumerate(self.moves):
            while change is not None and _moment(change) < _moment(move):
                yield place, change
                change = next(changes, None)
            yield place, move


def _moment(record: Record) -> tuple[int, int]:
    return position(record["id"])[0], record["at"]


def _parted(records: list[Record], cuts: list[Record], kept: str) -> tuple[list[Record], list[Record]]:
    """Those that stand, and those that a cut undid; both in the order of their ids."""
    spans = [(position(cut[kept]), position(cut["until"])) for cut in cuts]
    stand: list[Record] = []
    undone: list[Record] = []
    for record in sorted(records, key=lambda one: position(one["id"])):
        at = position(record["id"])
        (undone if any(last < at <= until for last, until in spans) else stand).append(record)
    return stand, undone


def _tenures(moves: list[Record], *, undone: bool = False) -> Iterator[Tenure]:
    held: dict[str, Tenure] = {}
    for place, move in enumerate(moves):
        run = move["run"]
        if move["to"] in HELD and move["from"] not in HELD:
            held[run] = Tenure(move, place, undone=undone)
            yield held[run]
        elif move["to"] not in HELD and run in held:
            tenure = held.pop(run)
            tenure.ended, tenure.last = place, move
