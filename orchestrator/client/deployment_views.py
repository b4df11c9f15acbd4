"""Deployments as the client shows them, and the parameters of a new run; pure."""

import heapq
import json
from collections.abc import Iterator, Mapping
from typing import Any

from orchestrator.client.deployment_values import ScheduleInfo
from orchestrator.deployments.values import plain_parameters
from orchestrator.errors import HeadgateError, InvalidParameters, command
from orchestrator.sdk.schema import check
from orchestrator.store.deployments import DeploymentRecord, Put, canonical, full_name
from orchestrator.store.instants import first_after, instants_after, schedule_of
from orchestrator.store.runs import requires_of
from orchestrator.store.specs import Spec
from queues.clock import from_us
from queues.errors import NewerSchema
from queues.work_queue import WorkQueue

SHOWN_INSTANTS = 3


def checked_parameters(deployment: DeploymentRecord, given: Mapping[str, Any]) -> dict[str, Any]:
    """The deployment's parameters with those given on top, checked against the flow; raises InvalidParameters."""
    if deployment.problem is not None:
        raise deployment.problem
    spec = deployment.spec
    complete = {**(spec.get("parameters") or {}), **given}
    plain = plain_parameters(complete)
    problems = check(spec["schema"], plain) if spec.get("schema") else []
    if problems:
        hint = f"`{command('deployment', 'inspect', deployment.name)}` shows its parameters"
        raise InvalidParameters("; ".join(problems), field="parameters", hint=hint)
    return plain


def schedule_infos(texts: Mapping[str, str], after: Mapping[str, int], paused: bool) -> tuple[ScheduleInfo, ...]:
    """Schedules as shown: slug -> stored text, and slug -> the time after which their next instant is sought."""
    infos = []
    for slug, text in texts.items():
        try:
            schedule = schedule_of(text)
        except (HeadgateError, NewerSchema, ValueError) as problem:
            infos.append(unreadable(slug, problem))
            continue
        at = None if paused else first_after(text, after[slug])
        infos.append(
            ScheduleInfo(
                slug=slug,
                kind=schedule.kind,
                text=str(schedule),
                active=not paused,
                next_scheduled_time=None if at is None else from_us(at),
            )
        )
    return tuple(infos)


def unreadable(slug: str, problem: Exception) -> ScheduleInfo:
    """A schedule that a newer version wrote, or something else did: shown beside the others, with the reason."""
    return ScheduleInfo(slug=slug, kind="unreadable", text=str(problem), active=False, next_scheduled_time=None)


def summary(found: DeploymentRecord, now_us: int) -> dict[str, Any]:
    """The fields of Deployment for a record."""
    spec = found.spec
    texts = {standing.slug: standing.text for standing in found.schedules}
    infos = schedule_infos(texts, {one.slug: max(one.cursor_us, now_us) for one in found.schedules}, found.paused)
    return {
        "id": found.id,
        "name": found.name,
        "flow": spec["flow"],
        "work_queue": spec["work_queue"],
        "paused": found.paused,
        "concurrency_limit": spec.get("concurrency_limit"),
        "tags": tuple(spec.get("tags") or ()),
        "schedules": infos,
        "next_scheduled_time": min((one.next_scheduled_time for one in infos if one.next_scheduled_time), default=None),
        "revision": found.revision,
        "code_version": spec.get("code_version"),
        "created_time": from_us(found.created_us),
        "updated_time": from_us(found.updated_us),
    }


def deployed(deployment_id: str, spec: Spec, put: Put, queue: WorkQueue, now_us: int) -> dict[str, Any]:
    """The fields of Deployed for an applied spec, but for what is known of queue and agents only by the caller."""
    texts = {schedule["slug"]: canonical(schedule) for schedule in spec.get("schedules") or ()}
    feeds = [instants_after(text, now_us) for text in texts.values()]
    return {
        "id": deployment_id,
        "name": full_name(spec),
        "status": put.status,
        "code_version": spec.get("code_version"),
        "source": dict(spec.get("source") or {"kind": "path"}),
        "revision": put.revision,
        "work_queue": queue.name,
        "work_queue_paused": queue.paused,
        "work_queue_limit": queue.concurrency_limit,
        "concurrency_limit": spec.get("concurrency_limit"),
        "requires": requires_of(spec),
        "next_scheduled_times": () if put.paused else tuple(map(from_us, first_of(feeds, SHOWN_INSTANTS))),
        "schedules": schedule_infos(texts, dict.fromkeys(texts, now_us), put.paused),
        "on_lost": spec.get("on_lost") or "rerun",
        "max_lost": spec.get("max_lost") or 3,
        "changes": changed_fields(put.before, spec),
    }


def first_of(feeds: list[Iterator[int]], count: int) -> list[int]:
    """The first few of several increasing sequences."""
    return [at for at, _ in zip(heapq.merge(*feeds), range(count), strict=False)]


def changed_fields(before: Spec | None, after: Spec) -> tuple[str, ...]:
    """Names of the fields in which two specs differ."""
    if before is None:
        return ()
    plain = json.loads(json.dumps(after))
    return tuple(sorted(name for name in {*before, *plain} if before.get(name) != plain.get(name)))
