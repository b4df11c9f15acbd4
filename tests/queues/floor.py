"""Floor 0 as its tests use it: runs made in one line, agents by name, and time that travels."""

from __future__ import annotations

import itertools
from typing import Any

from queues.claims import Claim, Claims, Finished, Outcome
from queues.leases import Leases
from queues.limits import Limits
from queues.runs import NewRun, Run, Runs
from queues.scripts import Scripts
from queues.states import State
from queues.work_queue import WorkQueues


class Floor:
    """All verbs of floor 0 on one Redis."""

    def __init__(self, scripts: Scripts) -> None:
        self.scripts = scripts
        self.redis = scripts.redis
        self.keys = scripts.keys
        self.runs = Runs(scripts)
        self.queues = WorkQueues(scripts)
        self.limits = Limits(scripts)
        self.leases = Leases(scripts)
        self._numbers = itertools.count(1)

    def travel(self, seconds: float) -> None:
        """Let time pass inside the scripts."""
        self.scripts.offset_us += round(seconds * 1_000_000)

    def make(self, *ids: str, queue: str = "default", **more: Any) -> list[str]:
        """Create runs and give their ids."""
        self.runs.create([NewRun(id=run_id, queue=queue, actor="user:ann", **more) for run_id in ids])
        return list(ids)

    def agent(self, name: str = "a1", **settings: Any) -> Claims:
        """Speak as an agent."""
        return Claims(self.scripts, name, **settings)

    def claim(self, count: int = 1, *queues: str, agent: str = "a1") -> list[Claim]:
        """Claim with a fresh claim id."""
        claim_id = f"claim-{next(self._numbers)}"
        return self.agent(agent).claim(queues or ("default",), count, claim_id=claim_id).claims

    def claim_ids(self, count: int = 1, *queues: str, agent: str = "a1") -> list[str]:
        """Claim, and give only the ids."""
        return [claim.run_id for claim in self.claim(count, *queues, agent=agent)]

    def start(self, run_id: str, queue: str = "default", agent: str = "a1", **more: Any) -> Claim:
        """Create, claim and confirm one run."""
        self.make(run_id, queue=queue, **more)
        (claim,) = self.claim(1, queue, agent=agent)
        assert claim.run_id == run_id
        self.agent(agent).confirm(*proof(claim))
        return claim

    def finish(self, claim: Claim, state: str = "COMPLETED", agent: str = "a1", **outcome: Any) -> Finished:
        """End a claimed run."""
        return self.agent(agent).finish(*proof(claim), Outcome(state=state, **outcome))

    def run(self, run_id: str) -> Run:
        """Read a record that must be there."""
        run = self.runs.get(run_id)
        assert run is not None, f"{run_id} is gone"
        return run

    def state(self, run_id: str) -> State:
        """Read where a run stands."""
        return self.run(run_id).state

    def line(self, queue: str = "default") -> list[str]:
        """The ids an agent would claim from a queue, in order."""
        return [run.run_id for run in self.queues.waiting(queue) if run.parked is None]

    def dump(self) -> dict[bytes, bytes | None]:
        """Everything in Redis, to show that nothing changed."""
        return {key: self.redis.dump(key) for key in sorted(self.redis.keys())}


def proof(claim: Claim) -> tuple[str, int, str]:
    """What fences a claim: run, token, claim id."""
    return claim.run_id, claim.token, claim.claim_id
