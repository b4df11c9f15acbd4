"""What an agent does with runs: claim, confirm, renew, finish, release; each fenced by the pair (token, claim id)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from queues import events
from queues.clock import seconds_to_us
from queues.errors import InvalidValue, NewerSchema
from queues.records import LARGEST_DATA, Run
from queues.scripts import Scripts
from queues.states import State

MOST_CLAIMS = 100
"""Runs that one claim gives at most."""

MOST_HELD = 500
"""Runs that one renewal call lists at most; more are renewed in several calls."""

MOST_TOLD = 1000
"""Problems that are remembered, so that each is told once."""


class Answer(StrEnum):
    """How a call about a held run ended."""

    OK = "ok"
    """It had its effect, now or when it was first sent."""
    LOST = "lost"
    """The claim is no longer the run's: nothing was changed, and its process must not go on."""
    CANCELLING = "cancelling"
    """The claim stands, and someone asked for the run to be cancelled."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A run that an agent holds, and the pair that proves it; `deadline_us` is when the lease ends, by Redis' clock."""

    run_id: str
    token: int
    claim_id: str
    attempt: int
    queue: str
    deadline_us: int
    lease_seconds: float
    record: Run
    parameters: bytes | None
    environment: bytes | None = None
    """The variables of the run itself, as JSON."""
    queue_environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ClaimReply:
    """What a claim gave. `more`: ask again at once; `hold_us`: Redis has just returned, wait for so long.

    `problems` names what was met and left out: runs whose records say nothing usable, keys of another type, records
    of a newer version; each is told once by one agent.
    """

    claims: list[Claim]
    more: bool
    hold_us: int
    problems: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()
    """The queues that were looked at, when some were named by a prefix."""


@dataclass(frozen=True, kw_only=True)
class Held:
    """A run as its agent knows it, for renewal; `confirmed` once its confirm was answered ok."""

    run_id: str
    token: int
    claim_id: str
    confirmed: bool = False


@dataclass(frozen=True, kw_only=True)
class Renewed:
    """What a renewal said about each run listed.

    `deadlines` has those that were extended (run id to microseconds, Redis' clock). `stalled` were PENDING for longer
    than the start time-out: they are not extended, the agent ends and releases them. `request` is what an operator
    wants of the agent (drain, stop). `registered` False: Redis does not know this agent, it registers again.
    """

    deadlines: Mapping[str, int]
    lost: frozenset[str]
    cancelling: frozenset[str]
    stalled: frozenset[str]
    request: str | None
    registered: bool


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a run ended; with `retry_in_seconds` it waits for another try instead of ending."""

    state: str
    name: str | None = None
    reason: str = ""
    retry_in_seconds: float | None = None
    fields: Mapping[str, str | int] = field(default_factory=dict)
    data: Mapping[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        ends = (State.COMPLETED, State.FAILED, State.CRASHED, State.CANCELLED)
        if self.state not in ends:
            raise InvalidValue("the state of an outcome", f"one of {', '.join(ends)}", self.state)
        if self.retry_in_seconds is not None and self.state not in (State.FAILED, State.CRASHED):
            raise InvalidValue("retry_in_seconds", f"absent for {self.state}", self.retry_in_seconds)


@dataclass(frozen=True, kw_only=True)
class Finished:
    """What a finish did; `state` is what the run is now, also when the claim was lost; None when it is forgotten."""

    answer: Answer
    state: State | None


class Claims:
    """The claims of one agent. `lease_seconds` holds for queues that have no lease of their own.

    `labels` are what the agent has: it takes no run that requires another one. `prefixes` add to the queues of every
    claim all those whose names begin so, of the time of the claim.
    """

    def __init__(
        self,
        scripts: Scripts,
        agent: str,
        *,
        lease_seconds: float = 30.0,
        start_timeout_seconds: float = 60.0,
        labels: Sequence[str] = (),
        prefixes: Sequence[str] = (),
    ) -> None:
        self._scripts = scripts
        self._agent = agent
        self._serves = {"labels": list(labels) or None, "prefixes": list(prefixes) or None}
        self._lease_us = seconds_to_us(lease_seconds)
        self._start_timeout_us = seconds_to_us(start_timeout_seconds)
        self._places: dict[str, int] = {}
        self._told: set[str] = set()

    def claim(self, queues: Sequence[str], count: int, *, claim_id: str, avoid: Sequence[str] = ()) -> ClaimReply:
        """Take up to `count` runs, highest priority first, then by due time; sent again, gives the same runs again.

        Runs that need a slot of a limit in `avoid` (`queue:…` for all of a queue) stay where they are in line. An agent
        that got fewer than it asked for is noted as idle on these queues and woken when there is work.
        """
        reply = self._scripts.call(
            "claim",
            agent=self._agent,
            queues=list(dict.fromkeys(queues)),
            count=min(count, MOST_CLAIMS),
            claim=claim_id,
            lease_us=self._lease_us,
            largest=LARGEST_DATA,
            avoid=list(avoid),
            **{"from": self._places} | {name: said for name, said in self._serves.items() if said},
        )
        # A call looks at a part of a long line only; the next one goes on behind what this one passed over.
        self._places = dict(reply.get("from") or {})
        of_queues = dict(reply.get("environments") or {})
        claims = [self._claim(claim_id, taken, of_queues) for taken in reply["claims"]]
        if claims:
            events.claimed(agent=self._agent, count=len(claims), more=reply["more"])
        problems = self._problems(reply)
        return ClaimReply(
            claims=claims,
            more=reply["more"],
            hold_us=reply["hold_us"],
            problems=problems,
            queues=tuple(reply.get("queues") or ()),
        )

    def confirm(self, run_id: str, token: int, claim_id: str) -> Answer:
        """Say that the process is there: user code may run only after ok."""
        return Answer(self._call("confirm", run_id, token, claim_id))

    def renew(
        self, held: Iterable[Held], *, state: str = "idle", info: Mapping[str, str | int] | None = None
    ) -> Renewed:
        """Extend the leases of the runs listed, and only those; also the agent's heartbeat, with `state` and `info`."""
        rest = list(held)
        parts = [rest[at : at + MOST_HELD] for at in range(0, len(rest), MOST_HELD)] or [[]]
        replies = [self._renew(part, len(rest), state, dict(info or {})) for part in parts]
        lost = frozenset(run for reply in replies for run in reply["lost"])
        if lost:
            events.lost(agent=self._agent, runs=sorted(lost))
        return Renewed(
            deadlines={run: due for reply in replies for run, due in dict(reply["deadlines"] or {}).items()},
            lost=lost,
            cancelling=frozenset(run for reply in replies for run in reply["cancelling"]),
            stalled=frozenset(run for reply in replies for run in reply["stalled"]),
            request=replies[0].get("request"),
            registered=replies[0]["registered"],
        )

    def finish(self, run_id: str, token: int, claim_id: str, outcome: Outcome) -> Finished:
        """End the run, or plan its next try, and free its slots; a cancelled run ends CANCELLED in any case."""
        retry = outcome.retry_in_seconds
        reply = self._call(
            "finish",
            run_id,
            token,
            claim_id,
            state=str(outcome.state),
            name=outcome.name,
            reason=outcome.reason,
            retry_in_us=None if retry is None else seconds_to_us(max(retry, 0)),
            fields={name: str(value) for name, value in outcome.fields.items()},
            data=dict(outcome.data),
        )
        if reply["answer"] == Answer.LOST:
            events.late_finish(agent=self._agent, run=run_id)
        return Finished(answer=Answer(reply["answer"]), state=State(reply["state"]) if reply.get("state") else None)

    def release(
        self,
        run_id: str,
        token: int,
        claim_id: str,
        *,
        reason: str,
        counts_as_loss: bool = False,
        unstarted: bool = False,
    ) -> Answer:
        """Give the run back unfinished, to its place in line; `counts_as_loss` when its process died with it.

        `unstarted`: no process of it was started, so that the next attempt has the number of this one.
        """
        more = {"unstarted": True} if unstarted else {}
        return Answer(self._call("release", run_id, token, claim_id, reason=reason, loss=counts_as_loss, **more))

    def _problems(self, reply: Mapping[str, Any]) -> tuple[str, ...]:
        """Say once what a claim met and left out."""
        found = [f"run {run} has a record that can not be worked with: it FAILED" for run in reply.get("bad") or ()]
        found += [f"dropped {run} from a line: it has no record" for run in reply.get("orphans") or ()]
        if reply.get("newer") is not None:
            found.append(str(NewerSchema("something that this agent leaves alone", reply["newer"])))
        runs, queues = list(reply.get("unreadable") or ()), list(reply.get("stopped") or ())
        if runs or queues:
            found += [str(wrong) for wrong in self._scripts.wrong_keys({"runs": runs, "queues": queues})]
        fresh = tuple(problem for problem in found if problem not in self._told)
        self._told = (self._told if len(self._told) < MOST_TOLD else set()) | set(fresh)
        if fresh:
            events.left_out(agent=self._agent, problems=fresh)
        return fresh

    def _call(self, verb: str, run_id: str, token: int, claim_id: str, **more: Any) -> Any:
        return self._scripts.call(verb, agent=self._agent, run=run_id, token=token, claim=claim_id, **more)

    def _renew(self, held: list[Held], running: int, state: str, info: dict[str, str | int]) -> dict[str, Any]:
        reply: dict[str, Any] = self._scripts.call(
            "renew",
            agent=self._agent,
            held=[[run.run_id, run.token, run.claim_id, run.confirmed] for run in held],
            state=state,
            info={name: str(value) for name, value in info.items()} | {"running": str(running)},
            lease_us=self._lease_us,
            start_timeout_us=self._start_timeout_us,
        )
        return reply

    def _claim(self, claim_id: str, taken: dict[str, Any], of_queues: Mapping[str, Any]) -> Claim:
        def raw(text: str) -> bytes:
            return text.encode("utf-8", "surrogateescape")

        record = Run.parse(taken["id"], {raw(name): raw(value) for name, value in taken["record"].items()})
        parameters, environment = taken.get("parameters"), taken.get("environment")
        return Claim(
            run_id=record.id,
            token=record.token,
            claim_id=claim_id,
            attempt=record.attempt,
            queue=record.queue,
            deadline_us=taken["deadline"],
            lease_seconds=taken["lease_us"] / 1_000_000,
            record=record,
            parameters=None if parameters is None else raw(parameters),
            environment=None if environment is None else raw(environment),
            queue_environment=dict(of_queues.get(record.queue) or {}),
        )
