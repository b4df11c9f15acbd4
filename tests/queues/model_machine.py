"""The verbs of floor 0 as the model test calls them: on a real Redis and on the model, with proofs of both."""

from __future__ import annotations

from typing import Any

from queues.claims import Held, Outcome
from queues.identity import ProcessIdentity
from queues.presence import Clash
from queues.runs import NewRun
from queues.states import State
from tests.chaos.model_records import SECOND, Proof, Record
from tests.queues.model_table import QUEUES, Table

ENDS = (State.QUEUED, State.CRASHED, State.CANCELLED)


class Verbs(Table):
    """Calls to both sides that must be answered alike."""

    def create(self, new: list[NewRun], request: str | None) -> None:
        """Make runs."""
        records = [
            Record(
                id=run.id,
                queue=run.queue,
                limits=run.limits,
                requires=run.requires,
                due=run.due_us or 0,
                created=self.model.now,
                on_lost=run.on_lost,
                max_lost=run.max_lost,
            )
            for run in new
        ]
        kept = request and f"{request}.0"
        self.call(
            lambda: [(run.created, run.state) for run in self.floor.runs.create(new, request_id=request)],
            lambda: self.model.create(records, kept),
        )

    def claim(self, agent: str, queues: list[str], count: int, avoid: tuple[str, ...] = ()) -> None:
        """Claim, and remember the proofs."""
        claim = self.fresh("claim")

        def real() -> Any:
            reply = self.agents[agent].claim(queues, count, claim_id=claim, avoid=avoid)
            assert not reply.more
            return [(run.run_id, run.attempt, run.token) for run in reply.claims]

        def ideal() -> Any:
            taken = self.model.claim(agent, queues, count, claim, avoid)
            self.proofs += [proof for run in taken if (proof := (run.id, run.token, claim)) not in self.proofs]
            self.learn_tokens()
            return [(run.id, run.attempt, self.tokens[run.token]) for run in taken]

        before = {limit: self.model.room(limit) for limit in self.model.numbers}
        self.call(real, ideal)
        for limit, room in before.items():
            now = self.model.room(limit)
            assert now == room or now >= 0, f"{limit} was exceeded"

    def renew(self, agent: str, held: list[tuple[Proof, bool]]) -> None:
        """Renew some proofs of an agent."""
        shown = [
            Held(run_id=run, token=self.tokens[token], claim_id=claim, confirmed=confirmed)
            for (run, token, claim), confirmed in held
        ]

        def real() -> Any:
            said = self.agents[agent].renew(shown)
            answer = (frozenset(said.deadlines), said.lost, said.cancelling, said.stalled)
            return *answer, said.registered, said.request or ""

        def ideal() -> Any:
            said = self.model.renew(agent, [(*proof, confirmed) for proof, confirmed in held])
            return said.extended, said.lost, said.cancelling, said.stalled, said.registered, said.request

        self.call(real, ideal)

    def finish(self, proof: Proof, outcome: Outcome) -> None:
        """Say how a run ended."""
        retry = outcome.retry_in_seconds
        retry_in = None if retry is None else round(retry * SECOND)

        def real() -> Any:
            done = self.agents["a1"].finish(*self.real(proof), outcome)
            return str(done.answer), done.state

        state = State(outcome.state)
        self.call(real, lambda: self.model.finish(proof, state, name=outcome.name, retry_in=retry_in))

    def register(self, name: str, instance: str, takeover: str) -> None:
        """Take an agent's name."""
        identity = ProcessIdentity(host="h", pid=1, boot_id="b", started="1")

        def real() -> Any:
            said = self.presence.register(
                name, list(QUEUES), limit=4, instance=instance, identity=identity, takeover=takeover or None
            )
            return None if isinstance(said, Clash) else sorted(said.released)

        def ideal() -> Any:
            taken = self.model.register(name, instance, takeover=takeover)
            return None if taken is None else sorted(taken)

        self.call(real, ideal)

    def confirm(self, proof: Proof) -> None:
        """Say that the process is there."""
        real = self.real(proof)
        self.call(lambda: str(self.agents["a1"].confirm(*real)), lambda: self.model.confirm(proof))

    def release(self, proof: Proof, loss: bool) -> None:
        """Give a run back."""
        real = self.real(proof)
        self.call(
            lambda: str(self.agents["a1"].release(*real, reason="t", counts_as_loss=loss)),
            lambda: self.model.release(proof, loss=loss),
        )

    def unregister(self, name: str, instance: str) -> None:
        """Leave."""
        self.call(
            lambda: sorted(self.presence.unregister(name, instance)),
            lambda: sorted(self.model.unregister(name, instance)),
        )

    def ask_to_end(self, name: str, request: str) -> None:
        """Ask an agent to drain or stop."""
        asked = {"agent": name, "request": request, "actor": "user:ann"}
        self.call(
            lambda: bool(self.floor.scripts.call("request", **asked)["known"]),
            lambda: self.model.request(name, request),
        )

    def expire(self) -> None:
        """One pass of expiry."""

        def ideal() -> Any:
            expired = self.model.expire()
            self.occurred["expired"] += len(expired)
            return [sorted(run for run in expired if expired[run] == state) for state in ENDS]

        def real() -> Any:
            done = self.leases.expire_once()
            return [sorted(done.requeued), sorted(done.crashed), sorted(done.cancelled)]

        self.call(real, ideal)
