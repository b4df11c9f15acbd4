"""The client's verbs that run ended runs again: retry, one or many.

The first retry of a run, the second and so on have ids that are derived from its own: made twice, it is made once.
"""

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Unpack

from orchestrator.client import views
from orchestrator.client.deployment_views import checked_parameters
from orchestrator.client.environment import checked_environment
from orchestrator.client.run_changes import ENDED, RunChangeVerbs, allowed, refusal
from orchestrator.client.run_values import Chosen, RunOutcome
from orchestrator.client.selection import Which
from orchestrator.client.values import FlowRun
from orchestrator.errors import Invalid, RefusedByState
from orchestrator.runs import new_run_id, run_name
from orchestrator.store import Store
from orchestrator.store.deployments import DeploymentRecord, revision_of
from orchestrator.store.runs import Wishes, deployment_id_of, deployment_of, new_run, requires_of
from orchestrator.store.specs import Spec
from queues.errors import BadPayload, NewerSchema, UnknownQueue
from queues.records import Run
from queues.runs import NewRun, chunks
from queues.states import State

REQUESTS = uuid.UUID("0b7c7e6e-3f5a-5d0c-8a54-8f2b1a7d9c11")
"""The namespace of run ids that are made from request ids."""

GONE_WRONG = (State.FAILED, State.CRASHED)
READ_AT_ONCE = 1_000
UNFIT = (RefusedByState, Invalid, NewerSchema, BadPayload)
"""Why a run can not be run again, while others can."""


def made_id(request_id: str | None) -> str:
    """The id of a new run: random, or always the same for one request."""
    return new_run_id() if request_id is None else str(uuid.uuid5(REQUESTS, request_id))


def retry_id(run_id: str, number: int) -> str:
    """The id of the first, second … retry of a run."""
    return made_id(f"retry {number} of {run_id}")


class RunRetryVerbs(RunChangeVerbs):
    """Retry."""

    def retry(self, ref: str, *, request_id: str | None = None) -> FlowRun:
        """Make a new run, now, with the parameters of an ended one, on the deployment's current revision.

        Raises RefusedByState when the run has not ended or its deployment was deleted.
        """
        run = self.store.runs.find(ref)
        given, env = (self.store.records.data(run.id, name) for name in ("parameters", "environment"))
        again = Again(self.store, self.actor)
        for number in count(1):
            new_id = retry_id(run.id, number) if request_id is None else made_id(request_id)
            (answer,) = self.store.records.create([again.new_run(run, new_id, given, env)])
            if answer.created or request_id is not None:
                break
        return self._shown(new_id)

    def retryable(self, **which: Unpack[Which]) -> Chosen:
        """The runs that fit and went wrong, or ended in the `states` asked for; those retried before are left out."""
        default: Which = {"states": GONE_WRONG}
        states = allowed({**default, **which}, ENDED)
        found = self._chosen(which, states)
        fresh = [run_id for part in parts(found) for run_id in self._not_retried(part)]
        return Chosen(ids=tuple(fresh), left_out=len(found) - len(fresh))

    def retry_many(self, run_ids: Iterable[str], *, again: bool = False) -> Iterator[list[RunOutcome]]:
        """Run each of these again, a hundred per step; gives what became of each.

        Those that were retried before stay as they are, unless they are to run `again`.
        """
        maker = Again(self.store, self.actor)
        for chunk in chunks(run_ids):
            new_ids = {run_id: self._free_id(run_id) if again else retry_id(run_id, 1) for run_id in chunk}
            made, refused = self._planned(maker, new_ids)
            created = self._created(made, refused)
            yield [retried(run_id, created.get(run_id), refused.get(run_id)) for run_id in chunk]

    def _not_retried(self, run_ids: Sequence[str]) -> list[str]:
        keys = [self.store.keys.run(retry_id(run_id, 1)) for run_id in run_ids]
        there = self.store.scripts.ask_many(lambda pipe: [pipe.exists(key) for key in keys])
        return [run_id for run_id, exists in zip(run_ids, there, strict=True) if not exists]

    def _free_id(self, run_id: str) -> str:
        """The id of the next retry of a run."""
        ids = (retry_id(run_id, number) for number in count(1))
        return next(new_id for new_id in ids if self.store.records.get(new_id) is None)

    def _planned(self, again: "Again", new_ids: Mapping[str, str]) -> tuple[dict[str, NewRun], dict[str, str]]:
        """The new runs by the id of the old one; for the others, why there can be none."""
        run_ids = list(new_ids)
        runs = self.store.records.get_many(run_ids)
        given, own = (self.store.records.data_of(run_ids, name) for name in ("parameters", "environment"))
        made: dict[str, NewRun] = {}
        refused: dict[str, str] = {}
        for run_id, run, parameters, env in zip(run_ids, runs, given, own, strict=True):
            if run is None:
                refused[run_id] = "there is no such run any more"
                continue
            try:
                made[run_id] = again.new_run(run, new_ids[run_id], parameters, env)
            except UNFIT as problem:
                hint = getattr(problem, "hint", None)
                refused[run_id] = f"{problem}; {hint}" if hint else str(problem)
        return made, refused

    def _created(self, made: Mapping[str, NewRun], refused: dict[str, str]) -> dict[str, tuple[str, bool]]:
        """The ids of the new runs, and whether they were made just now; runs of a queue that is gone are refused."""
        left = dict(made)
        while left:
            try:
                answers = self.store.records.create(list(left.values()))
            except UnknownQueue as unknown:
                gone = [run_id for run_id, new in left.items() if new.queue == unknown.name]
                refused |= dict.fromkeys(gone, str(unknown))
                left = {run_id: new for run_id, new in left.items() if run_id not in gone}
            else:
                return {run_id: (one.id, one.created) for run_id, one in zip(left, answers, strict=True)}
        return {}


class Again:
    """Makes new runs of old ones; reads each deployment, and each old spec, once."""

    def __init__(self, store: Store, actor: str) -> None:
        self._store = store
        self._actor = actor
        self._deployments: dict[str, DeploymentRecord | None] = {}
        self._specs: dict[tuple[str, int | None], Spec | None] = {}

    def new_run(self, run: Run, new_id: str, given: bytes | None, env: bytes | None = None) -> NewRun:
        """A run like an old one, whose own parameters and variables are `given` and `env`; raises what is in UNFIT."""
        if not run.is_terminal:
            since = run.history[-1].at_us if run.history else run.created_us
            raise refusal(run, run.state, since, "only an ended run can be retried")
        deployment = self._deployment(deployment_id_of(run))
        if deployment is None:
            hint = "`headgate deployment create FILE` makes it again"
            raise RefusedByState(f"the deployment {deployment_of(run)} of this run was deleted", hint=hint)
        own = Wishes(
            parameters=checked_parameters(deployment, self._parameters(run, deployment, given)),
            env=checked_environment(views.variables(env)),
            requires=self._asked_for(run, deployment),
        )
        reason = f"retry of {views.name_of(run)}"
        return new_run(deployment, new_id, actor=self._actor, own=own, reason=reason, retry_of=run.id)

    def _asked_for(self, run: Run, deployment: DeploymentRecord) -> list[str]:
        """The labels that were asked for when the run was made, beside those of its deployment."""
        return sorted(set(run.requires).difference(requires_of(self._spec(run, deployment)))) if run.requires else []

    def _parameters(self, run: Run, deployment: DeploymentRecord, given: bytes | None) -> Any:
        own = views.decoded(given)
        if own is not None:
            return own
        return self._spec(run, deployment).get("parameters") or {}

    def _spec(self, run: Run, deployment: DeploymentRecord) -> Spec:
        """What the run was made from; what its deployment is now when that is not kept any more."""
        key = deployment.id, revision_of(run)
        if key not in self._specs:
            self._specs[key] = self._store.spec_of(run)
        return self._specs[key] or deployment.spec

    def _deployment(self, deployment_id: str) -> DeploymentRecord | None:
        if deployment_id not in self._deployments:
            self._deployments[deployment_id] = self._store.deployments.get(deployment_id)
        return self._deployments[deployment_id]


def retried(run_id: str, new: tuple[str, bool] | None, refused: str | None) -> RunOutcome:
    """What became of a run that was to be run again."""
    outcome = "refused" if new is None else "done" if new[1] else "unchanged"
    message = refused if new is None else None if new[1] else "it was retried before"
    return RunOutcome(
        id=run_id,
        name=run_name(run_id),
        outcome=outcome,
        state=None,
        new_id=new and new[0],
        message=message,
    )


def parts(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut ids into what one round trip reads."""
    return (ids[at : at + READ_AT_ONCE] for at in range(0, len(ids), READ_AT_ONCE))
