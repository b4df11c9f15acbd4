"""An agent reduced to its protocol: claims, confirms, renews, finishes with the real verbs; its flows are only time.

One object, two gears. Stepped: many of them in one process, where time is virtual. Real: one per process, where a flow
lives as long as the process does, and the kernel's timer ends both when the lease does.
"""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from orchestrator.store import Store
from orchestrator.store.run_logs import LogRecord
from queues.claims import Answer, Claim, ClaimReply, Claims, Held, Outcome
from queues.errors import HeadgateQueueError
from queues.identity import ProcessIdentity
from queues.presence import Clash
from tests.chaos.protocol_network import Call, Network, Unanswered

LEASE, RENEW, GRACE = 1.5, 0.3, 0.5
MARGIN = 0.2 * LEASE
"""How long before the end of its lease an agent that hears nothing ends a flow."""
RELEASED, FAILED, MOST_RETRIES = 0.08, 0.03, 2
"""Shares of flows that are given back and that fail; a run fails at most so often before it completes."""
EPOCH = time.time() - time.monotonic()
LONG = 0.15
MOST_BATCHES = 3
POLL = 0.08
QUEUES = ("bulk", "narrow", "tagged")


@dataclass
class Flow:
    """A run in the hands of an agent: claimed, then running, then ended; `call` is what Redis is being told."""

    claim: Claim
    lease_from: float
    until: float = 0.0
    stage: str = "claimed"
    lines: int = 0
    cancelled: bool = False
    verb: str = "finish"
    call: Call | None = None

    @property
    def proof(self) -> tuple[str, int, str]:
        """What fences it."""
        return self.claim.run_id, self.claim.token, self.claim.claim_id


@dataclass
class ProtocolAgent:
    """One agent; `step` does what is to be done now. `note` writes records of the history."""

    store: Store
    name: str
    rng: random.Random
    network: Network
    note: Callable[..., None]
    clock: Callable[[], float]
    limit: int = 4
    pid: int = 0
    long: float = LONG
    wordy: float = 1.0
    """Shares of flows that last for seconds, and of those that write lines."""
    instance: str = field(default_factory=lambda: str(uuid.uuid4()))
    takeover: str | None = None
    flows: dict[str, Flow] = field(default_factory=dict)
    registered: bool = False
    renew_at: float = 0.0
    claim_at: float = 0.0
    claiming: tuple[str, float, Call] | None = None
    """A claim that was not answered yet: its id, when it was first sent, and the call."""

    def __post_init__(self) -> None:
        self.claims = Claims(self.store.scripts, self.name, lease_seconds=LEASE)

    def dead_man(self) -> float | None:
        """When the kernel is to end this agent: at the end of its first lease; None while it runs nothing."""
        return min((flow.lease_from + LEASE for flow in self.flows.values()), default=None)

    def step(self) -> None:
        """One pass: end what is past its lease, register, renew, go on with every flow, claim for free slots."""
        now = self.clock()
        for flow in [*self.flows.values()]:
            if now >= flow.lease_from + LEASE - MARGIN:
                self._drop(flow)
        self.network.deliver()
        try:
            self._register()
            if now >= self.renew_at:
                self._renew()
            for flow in [*self.flows.values()]:
                self._go_on(flow)
            if self.clock() >= self.claim_at and len(self.flows) < self.limit:
                self._claim()
        except Unanswered:
            self.claim_at = self.clock() + 0.05

    def die(self, at: float) -> None:
        """Note the flows that end with this agent; for agents that are objects."""
        for flow in self.flows.values():
            if flow.stage == "running":
                self._note_flow(flow, "gone", at)

    # ---------------------------------------------------------------- one call each
    def _register(self) -> None:
        if self.registered:
            return
        made = {"limit": self.limit, "instance": self.instance, "identity": ProcessIdentity.here()}
        reply = self._tell(
            Call(lambda: self.store.presence.register(self.name, QUEUES, takeover=self.takeover, **made))
        )
        if isinstance(reply, Clash):
            assert self.takeover != reply.instance, f"{self.name} can not take its name from {reply}"
            self.takeover = reply.instance if reply.holder.is_gone() else None
            raise Unanswered
        self.registered = True

    def _renew(self) -> None:
        held = [
            Held(run_id=run, token=token, claim_id=claim, confirmed=flow.stage != "claimed")
            for run, flow in self.flows.items()
            for _, token, claim in [flow.proof]
        ]
        sent, call = self.clock(), Call(lambda: self.claims.renew(held))
        renewed = self._tell(call)
        tokens = {run: self.flows[run].claim.token for run in renewed.deadlines}
        self._ack("renew", sent, call, [*tokens], "ok", tokens=tokens, until=self._until(sent))
        self.renew_at = sent + RENEW
        self.registered = renewed.registered
        for run in renewed.lost:
            self._drop(self.flows[run])
        for run in renewed.deadlines:
            self.flows[run].lease_from = sent
        for run in renewed.cancelling:
            self.flows[run].cancelled, self.flows[run].until = True, 0.0

    def _claim(self) -> None:
        """A claim that was not answered is sent again under its id, so that no run is held by nobody."""
        if self.claiming is None:
            claim_id, count = str(uuid.uuid4()), self.limit - len(self.flows)
            self.claiming = claim_id, self.clock(), Call(lambda: self._claimed(claim_id, count))
        claim_id, sent, call = self.claiming
        reply = self._tell(call)
        self.claiming = None
        tokens = {claim.run_id: claim.token for claim in reply.claims}
        if tokens or call.tries > 1:
            more = {"tokens": tokens, "request": claim_id, "until": self._until(sent)}
            self._ack("claim", sent, call, [*tokens], len(tokens), **more)
        for claim in reply.claims:
            self.flows[claim.run_id] = Flow(claim=claim, lease_from=sent)
        if len(self.flows) < self.limit:
            self.claim_at = self.clock() + max(POLL, reply.hold_us / 1_000_000)

    def _claimed(self, claim_id: str, count: int) -> ClaimReply:
        """Send a claim, and note what it took although nobody may hear the answer."""
        reply = self.claims.claim(QUEUES, count, claim_id=claim_id)
        tokens = {claim.run_id: claim.token for claim in reply.claims}
        self.note("answer", client=self.name, request=claim_id, tokens=tokens, mono=self.clock())
        return reply

    def _go_on(self, flow: Flow) -> None:
        if flow.stage == "claimed":
            self._confirm(flow)
        if flow.stage == "running" and flow.lines < MOST_BATCHES and self.rng.random() < 0.3:
            self._write(flow)
        if flow.stage == "running" and self.clock() >= flow.until:
            self._note_flow(flow, "stop", self.clock())
            flow.stage = "ended"
        if flow.stage == "ended":
            self._finish(flow)

    def _confirm(self, flow: Flow) -> None:
        flow.call = flow.call or Call(lambda: self.claims.confirm(*flow.proof))
        sent, answer = self.clock(), self._tell(flow.call)
        self._ack("confirm", sent, flow.call, [flow.claim.run_id], str(answer), token=flow.claim.token)
        flow.call = None
        if answer is Answer.LOST:
            del self.flows[flow.claim.run_id]
            return
        flow.cancelled = answer is Answer.CANCELLING
        flow.stage = "ended" if flow.cancelled else "running"
        if flow.stage == "running":
            self._note_flow(flow, "start", self.clock())
            flow.until = self.clock() + self._seconds()
            flow.lines = 0 if self.rng.random() < self.wordy else MOST_BATCHES

    def _seconds(self) -> float:
        """Most flows are short; some are so long that they need renewals."""
        return self.rng.uniform(0.5, 3.0) if self.rng.random() < self.long else self.rng.uniform(0.005, 0.08)

    def _write(self, flow: Flow) -> None:
        """Ship a batch of two lines that say their numbers."""
        run, token, attempt = flow.claim.run_id, flow.claim.token, flow.claim.attempt
        first = flow.lines * 2 + 1
        records = [LogRecord(0, 0, 20, str(number)) for number in (first, first + 1)]
        call = Call(lambda: self.store.logs.append(run, token, attempt, first, records))
        sent, answer = self.clock(), str(self._tell(call))
        flow.lines += 1
        self._ack("append", sent, call, [run], answer, token=token)

    def _finish(self, flow: Flow) -> None:
        """Say how it ended, once: what a call says stays the same when it is sent again."""
        if flow.call is None:
            flow.call = self._ending(flow)
            run, token = flow.claim.run_id, flow.claim.token
            self.note("sent", client=self.name, verb=flow.verb, run=run, token=token, mono=self.clock())
        sent, answer = self.clock(), self._tell(flow.call)
        word = str(answer if isinstance(answer, Answer) else answer.answer)
        self._ack(flow.verb, sent, flow.call, [flow.claim.run_id], word, token=flow.claim.token)
        del self.flows[flow.claim.run_id]
        self.claim_at = self.clock()

    def _ending(self, flow: Flow) -> Call:
        chance = self.rng.random()
        if chance < RELEASED and not flow.cancelled:
            flow.verb = "release"
            return Call(lambda: self.claims.release(*flow.proof, reason="given back"), late=0.5)
        outcome = Outcome(state="COMPLETED")
        if chance > 1 - FAILED and flow.claim.record.failures < MOST_RETRIES:
            outcome = Outcome(state="FAILED", reason="it failed", retry_in_seconds=0.1)
        return Call(lambda: self.claims.finish(*flow.proof, outcome))

    # ---------------------------------------------------------------- below
    def _until(self, sent: float) -> int:
        """When a lease ends that a call sent then gave, by the clock of Redis, which is on this machine."""
        return round((sent + EPOCH + LEASE) * 1_000_000)

    def _tell(self, call: Call) -> Any:
        try:
            return self.network.make(call)
        except HeadgateQueueError as refused:
            raise AssertionError(f"{self.name} was refused: {refused}") from refused

    def _drop(self, flow: Flow) -> None:
        """End a flow whose run is not ours any more; nothing is told."""
        if flow.stage == "running":
            self._note_flow(flow, "stop", self.clock())
        del self.flows[flow.claim.run_id]

    def _note_flow(self, flow: Flow, what: str, mono: float) -> None:
        run, token, attempt = flow.claim.run_id, flow.claim.token, flow.claim.attempt
        self.note("flow", run=run, attempt=attempt, token=token, what=what, mono=mono, pid=self.pid)

    def _ack(self, verb: str, sent: float, call: Call, runs: list[str], answer: Any, **more: Any) -> None:
        times = {"sent": sent, "answered": self.clock(), "resent": call.tries - 1}
        self.note("ack", client=self.name, verb=verb, runs=runs, answer=answer, **times, **more)
