"""Deployments in Redis: applied atomically with a revision, every revision kept while a run may need it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.keys import StoreKeys
from orchestrator.store.names import ambiguous, not_found, pick
from orchestrator.store.revisions import SPEC_GONE, Revisions, digests_in, revision_in
from orchestrator.store.schedules import Standing, standings
from orchestrator.store.specs import Spec, readable, stub, written
from orchestrator.store.specs import canonical as canonical
from orchestrator.store.traits import traits_of
from queues import schemas
from queues.errors import HeadgateQueueError, NewerSchema
from queues.limits import OFFER
from queues.records import Run, whole
from queues.scripts import Scripts

OUTDATED = "outdated"
"""The status of an apply that was made from a revision which another apply has replaced: nothing was written."""

FILE_HINT = "`headgate deployment create FILE` reads a file and prints the names of what can be run"


@dataclass(frozen=True, kw_only=True)
class DeploymentRecord:
    """A deployment as it stands: its current spec, its revision, its schedules and their cursors."""

    id: str
    name: str
    spec: Spec
    revision: int
    paused: bool
    created_us: int
    updated_us: int
    schedules: tuple[Standing, ...]
    problem: HeadgateQueueError | None = None
    """Why it can not be worked with: a newer version wrote it, or its spec is none, and has only its names then."""


@dataclass(frozen=True, kw_only=True)
class Put:
    """What an apply did: `status` is created, updated, unchanged or OUTDATED; `before` is the spec before it."""

    status: str
    revision: int
    paused: bool
    before: Spec | None


@dataclass(frozen=True, kw_only=True)
class PlacedSchedule:
    """A schedule to apply: its slug, its canonical text, and its first instant after now (None: it never fires)."""

    slug: str
    text: str
    next_us: int | None


def full_name(spec: Spec) -> str:
    """`flow/deployment`, which is unique and names the deployment everywhere."""
    return f"{spec['flow']}/{spec['name']}"


class Deployments:
    """Applies, reads, pauses and deletes deployments.

    Revision numbers go on when a deployment is deleted and made anew, so that runs of the old one find no spec.
    """

    def __init__(self, scripts: Scripts, keys: StoreKeys) -> None:
        self._scripts = scripts
        self._keys = keys
        self.revisions = Revisions(scripts, keys)

    def put(
        self,
        deployment_id: str,
        spec: Spec,
        schedules: Sequence[PlacedSchedule],
        actor: str,
        *,
        base: int | None = None,
    ) -> Put:
        """Apply a spec whole, in one script: record, schedules, limit. Raises UnknownQueue and changes nothing then.

        With `base`, the revision that the spec was made from, only while that is the current one.
        """
        text = written(spec)
        arguments: dict[str, Any] = {
            "id": deployment_id,
            "name": full_name(spec),
            "queue": spec["work_queue"],
            "spec": text,
            "digest": hashlib.sha256(text.encode()).hexdigest()[:32],
            "offer": OFFER,
            "actor": actor,
            "traits": sorted(traits_of(spec)),
            "digests": digests_in(text.encode()),
            "schedules": [
                {"slug": placed.slug, "text": placed.text}
                | ({} if placed.next_us is None else {"next": placed.next_us})
                for placed in schedules
            ],
        }
        if spec.get("concurrency_limit") is not None:
            arguments["limit"] = spec["concurrency_limit"]
        if base is not None:
            arguments["base"] = base
        reply = self._scripts.call("put_deployment", **arguments)
        before = reply.get("before")
        return Put(
            status=reply["status"],
            revision=reply["revision"],
            paused=reply["paused"],
            before=readable(before) if before else None,
        )

    def names(self) -> dict[str, str]:
        """Map the name of every deployment to its id."""
        raw = self._scripts.ask(lambda client: client.hgetall(self._keys.deployments))
        return {name.decode("utf-8", "replace"): own.decode("utf-8", "replace") for name, own in sorted(raw.items())}

    def find(self, wanted: str) -> DeploymentRecord:
        """Find a deployment by flow/name, id or unique beginning of its id, or by its name alone if one has it.

        Raises NotFound and Ambiguous.
        """
        named = self.names()
        alone = [name for name in named if name.rpartition("/")[2] == wanted]
        if len(alone) > 1:
            raise ambiguous("deployment", wanted, alone, "give the flow too, as in flow/name")
        wanted = next(iter(alone), wanted)
        found = self.get(pick("deployment", wanted, named, FILE_HINT if wanted.endswith(".py") else None))
        if found is None:  # deleted a moment ago, or by something else
            raise not_found("deployment", wanted, named.keys() - {wanted})
        return found

    def get(self, deployment_id: str) -> DeploymentRecord | None:
        """Read a deployment by its full id."""
        return next(iter(self.get_many([deployment_id])), None)

    def get_many(self, deployment_ids: Sequence[str]) -> list[DeploymentRecord]:
        """Read deployments in two round trips; those that are gone are left out."""

        def read(pipe: Any) -> None:
            for deployment_id in deployment_ids:
                pipe.hgetall(self._keys.deployment(deployment_id))
                pipe.hgetall(self._keys.schedule(deployment_id))

        answers = self._scripts.ask_many(read)
        raws = [
            {name.decode("utf-8", "replace"): value.decode("utf-8", "replace") for name, value in raw.items()}
            for raw in answers[::2]
        ]
        rows = zip(deployment_ids, raws, answers[1::2], strict=True)
        there = [(one, raw, held) for one, raw, held in rows if raw]
        specs = self.revisions.read([(one, revision_in(raw)) for one, raw, _ in there])
        found = zip(there, specs, strict=True)
        return [record(one, raw, SPEC_GONE if spec is None else spec, held) for (one, raw, held), spec in found]

    def held(self, found: Mapping[str, Mapping[str, Any]]) -> dict[str, DeploymentRecord]:
        """Read deployments, without their schedules, as the script due_schedules gives them: id -> fields and spec."""
        return {one: record(one, raw, self.revisions.given(one, raw), {}) for one, raw in found.items()}

    def all(self) -> list[DeploymentRecord]:
        """List all deployments by name."""
        return self.get_many(list(self.names().values()))

    def spec(self, deployment_id: str, revision: int) -> Spec | None:
        """Read one revision of a spec; None when the deployment or the revision is gone.

        Raises NewerSchema and BadPayload for one that can not be worked with.
        """
        found = self.revisions.read([(deployment_id, revision)])[0]
        if isinstance(found, HeadgateQueueError):
            raise found
        return found

    def some(self, cursor: int, count: int) -> tuple[int, list[str]]:
        """Give about so many ids of deployments and where to go on, from 0 until that is 0 again.

        Those that are there all the time are given at least once.
        """
        after, found = self._scripts.ask(lambda client: client.hscan(self._keys.deployments, cursor, count=count))
        return int(after), [own.decode("utf-8", "replace") for own in found.values()]

    def set_paused(self, deployment_id: str, paused: bool, next_due: Mapping[str, int], actor: str) -> bool:
        """Switch the schedules of a deployment off or on; `next_due` has slug -> microseconds, for switching on."""
        due = [{"slug": slug, "next": at} for slug, at in next_due.items()]
        return bool(self._scripts.call("pause_deployment", id=deployment_id, paused=paused, due=due, actor=actor))

    def delete(self, deployment_id: str, actor: str) -> bool:
        """Remove a deployment with its specs, schedules, skips and limit; its runs stay."""
        self.revisions.forget()
        return bool(self._scripts.call("delete_deployment", id=deployment_id, actor=actor, offer=OFFER))


def record(
    deployment_id: str, raw: Mapping[str, str], found: Spec | HeadgateQueueError, schedules: Mapping[bytes, bytes]
) -> DeploymentRecord:
    """Make the value of a deployment's hashes."""
    revision = revision_in(raw)
    problem = found if isinstance(found, HeadgateQueueError) else None
    try:
        schemas.refuse_newer(f"the deployment {raw.get('name', deployment_id)}", raw, schemas.DEPLOYMENT)
    except NewerSchema as newer:
        problem = newer
    spec = (
        found if problem is None and not isinstance(found, HeadgateQueueError) else stub(raw.get("name", "/"), problem)
    )
    return DeploymentRecord(
        id=deployment_id,
        name=raw.get("name", ""),
        spec=spec,
        problem=problem,
        revision=revision,
        paused=raw.get("paused") == "1",
        created_us=whole(raw.get("created")),
        updated_us=whole(raw.get("updated")),
        schedules=tuple(standings(deployment_id, revision, schedules)),
    )


def revision_of(run: Run) -> int:
    """The revision of its deployment that a run was made from."""
    return revision_in(run.fields)
