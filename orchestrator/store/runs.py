"""Flow runs in Redis: made from a deployment, found by what people call them, listed newest first in bounded steps."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

from redis import Redis

from orchestrator.deployments import deployment_id
from orchestrator.errors import NotFound
from orchestrator.keys import StoreKeys, deployment_limit
from orchestrator.runs import ids_of_name, run_name
from orchestrator.store.deployments import DeploymentRecord
from orchestrator.store.names import ID_PART, UUID, ambiguous, not_found
from orchestrator.store.run_lists import Filter, Position, RunLists
from queues.keys import checked_labels
from queues.records import Run
from queues.runs import NewRun, Runs
from queues.scripts import Scripts
from queues.states import State

EXAMINED_PER_CALL = 2_000
"""Runs that one call of page_runs looks at: about 5 ms of Redis when each record has to be read."""

SCANNED_PER_CALL = 5_000
"""Ids that one call of find_runs looks at: about 3 ms of Redis."""

NAMES_SEARCHED = 100_000
"""Newest runs of each state among which a name is sought; an id is sought among all."""


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What one run is to have of its own: parameters, complete and checked (None: those of its deployment), checked
    variables, and labels that its agent must have beside those that the deployment requires.
    """

    parameters: Mapping[str, Any] | None = None
    env: Mapping[str, str] | None = None
    requires: Sequence[str] = ()


def new_run(
    deployment: DeploymentRecord,
    run_id: str,
    *,
    actor: str,
    due_us: int | None = None,
    own: Wishes | None = None,
    reason: str = "",
    retry_of: str | None = None,
) -> NewRun:
    """Make a run of the current revision. Raises NewerSchema and BadPayload when that can not be worked with."""
    if deployment.problem is not None:
        raise deployment.problem
    spec, own = deployment.spec, own or Wishes()
    tags = tuple(spec.get("tags") or ())
    # The agent takes those of its spec then.
    same = own.parameters is None or own.parameters == (spec.get("parameters") or {})
    fields: dict[str, str | int] = {
        "name": run_name(run_id),
        "flow": spec["flow"],
        "deployment": spec["name"],
        "revision": deployment.revision,
    }
    optional = {"code": spec.get("code_version"), "tags": "\n".join(tags), "retry_of": retry_of}
    fields |= {name: value for name, value in optional.items() if value}
    big = {} if same else {"parameters": encoded(own.parameters)}
    if own.env:
        big["environment"] = json.dumps(own.env, separators=(",", ":"), ensure_ascii=False).encode()
    return NewRun(
        id=run_id,
        queue=spec["work_queue"],
        actor=actor,
        due_us=due_us,
        limits=(deployment_limit(deployment.id), *(f"tag:{tag}" for tag in tags)),
        groups=(deployment_limit(deployment.id),),
        requires=checked_labels([*requires_of(spec), *own.requires]),
        fields=fields,
        data=big or None,
        on_lost=spec.get("on_lost") or "rerun",
        max_lost=spec.get("max_lost") or 3,
        reason=reason,
    )


def requires_of(spec: Mapping[str, Any]) -> tuple[str, ...]:
    """The labels that an agent must have for the runs of a spec."""
    return tuple(spec.get("requires") or ())


def encoded(value: Any) -> bytes:
    """JSON bytes; raises ValueError for NaN and infinities."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode()


def deployment_of(run: Run) -> str:
    """`flow/deployment` of a run; the deployment may be gone by now."""
    return f"{run.fields.get('flow', '')}/{run.fields.get('deployment', '')}"


def deployment_id_of(run: Run) -> str:
    """The id of the deployment that a run was made from; derived, so that the record need not hold it."""
    return computed_id(run.fields.get("flow", ""), run.fields.get("deployment", ""))


computed_id = lru_cache(maxsize=1000)(deployment_id)
"""A list asks for the id of the same deployment again and again."""


class FlowRuns:
    """Finds and lists runs."""

    def __init__(self, scripts: Scripts, keys: StoreKeys, runs: Runs) -> None:
        self._scripts = scripts
        self._keys = keys
        self._runs = runs
        self._lists = RunLists(scripts, keys)

    def find(self, wanted: str) -> Run:
        """Find a run by id, by the unique beginning of its id, or by name. Raises NotFound and Ambiguous."""
        part = wanted.lower()
        if UUID.fullmatch(part):
            ids = [part]
        else:
            ids = self._beginning(part) if ID_PART.fullmatch(part) else self._named(wanted)
        if len(ids) > 1:
            raise ambiguous("flow run", wanted, [f"{run_id} ({run_name(run_id)})" for run_id in ids])
        run = self._runs.get(ids[0]) if ids else None
        if run is None:
            raise self._unknown(wanted)
        return run

    def ids(self, which: Filter) -> Iterator[list[str]]:
        """Give the ids of all runs that fit, newest first, in pieces."""
        yield from self._walk(which, EXAMINED_PER_CALL)

    def page(self, limit: int, which: Filter | None = None) -> list[Run]:
        """List up to `limit` runs that fit, newest first."""
        which = which or Filter()
        runs: list[Run] = []
        for ids in self._walk(which, limit):
            runs += [run for run in self._runs.get_many(ids) if run is not None]
            if len(runs) >= limit:
                break
        return runs[:limit]

    def newest_of(self, deployment_ids: Sequence[str], count: int) -> dict[str, list[Run]]:
        """The newest runs of each of these deployments, in three round trips."""
        found = self._lists.newest_of(deployment_ids, count)
        records = self._runs.get_many([run_id for ids in found.values() for run_id in ids])
        runs = {run.id: run for run in records if run is not None}
        return {own: [runs[run_id] for run_id in ids if run_id in runs] for own, ids in found.items()}

    def has_any(self, deployment_id: str) -> bool:
        """Whether a run of that deployment is there."""
        return bool(self._lists.newest_of([deployment_id], 1)[deployment_id])

    def trim_hours(self, *, before_us: int) -> None:
        """Forget when the runs of hours ended of which none is left."""
        self._lists.trim_hours(before_us)

    def waiting_of(self, deployment_id: str) -> Iterator[list[str]]:
        """Give the ids of a deployment's runs that no agent has claimed, in pieces."""
        states = (State.SCHEDULED.value, State.QUEUED.value)
        yield from self.ids(Filter(states=states, deployment_id=deployment_id))

    def waiting_on(self, queue: str, states: Sequence[str]) -> Iterator[list[str]]:
        """Give the ids of all runs of a work queue in some states, in pieces, the newest first."""
        yield from self._walk(Filter(states=tuple(states), queue=queue), EXAMINED_PER_CALL)

    def _walk(self, which: Filter, limit: int) -> Iterator[list[str]]:
        return self._lists.walk(which, self._before(which.after), limit=limit, budget=EXAMINED_PER_CALL)

    def _before(self, after: str | None) -> Position | None:
        if after is None:
            return None
        run = self.find(after)
        return run.created_us, run.id

    def _beginning(self, part: str) -> list[str]:
        found: list[str] = []
        for state in State:
            start, more = 0, True
            while more:
                place = {"set": f"runs:{state}", "start": start, "count": SCANNED_PER_CALL}
                reply = self._scripts.call("find_runs", beginning=part, **place)
                found += reply["found"]
                start, more = start + SCANNED_PER_CALL, reply["more"]
        return sorted(set(found))

    def _named(self, name: str) -> list[str]:
        common = ids_of_name(name)
        if common is None:
            return []
        divisor, rest = common
        newest = (run_id for state in State for run_id in self._newest(state, NAMES_SEARCHED))
        # States are read one after the other: a run that moves meanwhile is met twice.
        return [run_id for run_id in dict.fromkeys(newest) if int(run_id.replace("-", ""), 16) % divisor == rest]

    def _newest(self, state: State, count: int) -> Iterator[str]:
        key = self._keys.state(state)
        for start in range(0, count, SCANNED_PER_CALL):
            ids = self._scripts.ask(partial(Redis.zrevrange, name=key, start=start, end=start + SCANNED_PER_CALL - 1))
            yield from (run_id.decode() for run_id in ids)
            if len(ids) < SCANNED_PER_CALL:
                break

    def _unknown(self, wanted: str) -> NotFound:
        newest = next(self._walk(Filter(), 500), [])
        if ID_PART.fullmatch(wanted.lower()):
            return not_found("flow run", wanted, newest, hint="`headgate flow-run ls` lists them")
        return not_found("flow run", wanted, map(run_name, newest), hint="`headgate flow-run ls` lists them")
