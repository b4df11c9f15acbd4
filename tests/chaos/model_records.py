"""The records of the model of floor 0, and what a run may do on its own."""

from __future__ import annotations

from collections.abc import Container, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Self

from queues.states import HELD, TERMINAL, State, may_move

SECOND = 1_000_000

Proof = tuple[str, int, str]
"""What fences a claim: run, token, claim id."""


class Refused(Exception):
    """A call that changes nothing; the text is the code of the refusal."""


PATIENCE = 600 * SECOND
"""After so long without an agent that became empty, a run that should be alone starts beside others."""
PROMISE = 15 * SECOND


@dataclass(kw_only=True)
class Record:
    """A run."""

    id: str
    queue: str
    limits: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    due: int
    created: int
    on_lost: str = "rerun"
    max_lost: int = 3
    state: State = State.QUEUED
    name: str | None = None
    attempt: int = 0
    token: int = 0
    claim: str = ""
    agent: str = ""
    held: tuple[str, ...] = ()
    taken: int = 0
    deadline: int = 0
    lost: int = 0
    beside: bool = False
    """It was not the only run of its agent when that lost one."""
    lost_alone: bool = False
    alone: str = ""
    """Whether it gets one more try that is to be alone: wanted, now (it is), beside (no agent became empty)."""
    failures: int = 0
    settled: tuple[str, int, str] | None = None
    """The claim that gave it back or planned its next try: whoever says so again gets the same answer."""
    instance: str = ""
    """The process that had the agent's name when it took the run."""
    cancelled_by_request: bool = False

    def move(self, to: State, **changes: Any) -> None:
        """Take one step of the table of states."""
        assert may_move(self.state, to), f"{self.id} would go from {self.state} to {to}"
        self.state, self.name = to, changes.pop("name", None)
        for field_name, value in changes.items():
            setattr(self, field_name, value)

    def settle(self, to: State, name: str | None = None) -> None:
        """End for good; what was proven by the claim can be proven again."""
        self.move(to, held=(), settled=None, name=name)


@dataclass(kw_only=True)
class Line:
    """A work queue's settings; `lease` in microseconds, None takes the agent's."""

    paused: bool = False
    priority: int = 100
    lease: int | None = None


@dataclass(kw_only=True)
class Name:
    """An agent's name, and the process that has it."""

    instance: str
    seen: int
    request: str = ""


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a renewal says; sets of run ids. `registered`: this process has the agent's name."""

    extended: frozenset[str]
    lost: frozenset[str]
    cancelling: frozenset[str]
    stalled: frozenset[str]
    registered: bool
    request: str


@dataclass(kw_only=True)
class Records:
    """All that floor 0 knows, and what can be looked up in it."""

    now: int = 0
    lease: int = 30 * SECOND
    grace: int = 2 * SECOND
    start_timeout: int = 60 * SECOND
    hold: int = 2 * SECOND
    runs: dict[str, Record] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=lambda: {"default": Line()})
    numbers: dict[str, int] = field(default_factory=dict)
    names: dict[str, Name] = field(default_factory=dict)
    labels: dict[str, frozenset[str]] = field(default_factory=dict)
    """Which labels agents claim with."""
    kept: dict[str, tuple[str, Any]] = field(default_factory=dict)
    token: int = 0
    no_expiry_before: int = 0
    no_claims_before: int = 0
    promises: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    """Of runs to be tried alone: when first met, the agent that empties itself for it, until when that holds."""
    beat_at: int = 0
    """When a scheduler last said that Redis takes writes."""

    # -------------------------------------------------------------- looking
    def holders(self, limit: str) -> list[Record]:
        """The runs that hold a slot of a limit."""
        return [run for run in self.runs.values() if limit in run.held]

    def room(self, limit: str) -> float:
        """How many more runs a limit lets in; negative after it was lowered."""
        return self.numbers[limit] - len(self.holders(limit)) if limit in self.numbers else float("inf")

    def startable(self, run: Record) -> bool:
        """Whether nothing but a free agent is missing."""
        return run.state is State.QUEUED and all(self.room(limit) >= 1 for limit in needs(run))

    def next_run(self, queues: Sequence[str], passed: Container[str] = ()) -> Record | None:
        """The run that a claim on these queues gets next: by priority, then due time, then the order of the queues."""
        open_queues = {queue: at for at, queue in enumerate(queues) if not self.lines[queue].paused}
        runs = [run for run in self.runs.values() if run.queue in open_queues and run.id not in passed]
        found = [run for run in runs if self.startable(run)]
        return min(
            found,
            key=lambda run: (self.lines[run.queue].priority, run.due, open_queues[run.queue], run.id),
            default=None,
        )

    def lease_of(self, run: Record) -> int:
        """How long a lease of the run lasts."""
        return self.lines[run.queue].lease or self.lease

    def owned(self, proof: Proof) -> Record | None:
        """The run, if the claim still holds it."""
        run = self.runs.get(proof[0])
        return run if run and run.state in HELD and (run.token, run.claim) == proof[1:] else None

    def snapshot(self) -> Self:
        """A copy that no later call changes: what is left when the end of the log is lost."""
        return replace(
            self,
            runs={run_id: copy(run) for run_id, run in self.runs.items()},
            lines={name: copy(line) for name, line in self.lines.items()},
            numbers=dict(self.numbers),
            names={name: copy(holder) for name, holder in self.names.items()},
            kept=dict(self.kept),
            promises=dict(self.promises),
        )

    # -------------------------------------------------------------- inner
    def take(self, run: Record, agent: str, token: int, claim: str, lease: int) -> None:
        """Give a run to a claim, with all its slots."""
        run.move(State.PENDING, token=token, claim=claim, agent=agent, held=needs(run), attempt=run.attempt + 1)
        run.taken, run.deadline, run.beside = self.now, self.now + lease, False
        run.instance = self.names[agent].instance if agent in self.names else ""

    def in_hands(self, name: str) -> list[Record]:
        """The runs that the present holder of a name has taken."""
        instance = self.names[name].instance if name in self.names else ""
        found = [run for run in self.runs.values() if run.state in HELD and run.agent == name]
        return [run for run in found if run.instance == instance]

    def note_company(self, name: str) -> None:
        """Note on the runs of an agent that none is its only one."""
        runs = self.in_hands(name)
        for run in runs:
            run.beside = run.beside or len(runs) > 1

    def promise(self, run: Record, agent: str) -> bool:
        """Whether an agent with other runs leaves this one for later; the first such agent then empties itself."""
        since, owner, ends = self.promises.get(run.id, (self.now, "", 0))
        if self.now - since > PATIENCE:
            return False
        if owner in ("", agent) or ends <= self.now:
            self.promises[run.id] = since, agent, self.now + PROMISE
        return True

    def promised(self, agent: str, queues: Sequence[str], passed: Container[str] = ()) -> Record | None:
        """The run that an agent empties itself for; a promise about one that can not start is forgotten."""
        for run_id in [run_id for run_id, (_, owner, _) in self.promises.items() if owner == agent]:
            run = self.runs.get(run_id)
            served = run is not None and run.queue in queues and not self.lines[run.queue].paused
            if run and served and run.alone and run_id not in passed and self.startable(run):
                return run
            del self.promises[run_id]
        return None

    def recall(self, verb: str, request: str | None) -> Any:
        """The kept answer of a call that was sent before under this id; None when there was none."""
        known = self.kept.get(request) if request else None
        if known and known[0] != verb:
            raise Refused("request_reused")
        return known and known[1]

    def keep(self, verb: str, request: str | None, answer: Any) -> None:
        """Keep an answer for those who send the call again."""
        if request:
            self.kept[request] = (verb, answer)


def needs(run: Record) -> tuple[str, ...]:
    """Every limit that a run takes a slot of."""
    return (f"queue:{run.queue}", *run.limits)


def ended_under(run: Record | None, proof: Proof) -> bool:
    """Whether a run ended under this claim."""
    return run is not None and run.state in TERMINAL and (run.token, run.claim) == proof[1:]
