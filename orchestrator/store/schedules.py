"""Schedules in Redis: what is due, how far each has been dealt with, and what was skipped."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.keys import StoreKeys
from orchestrator.store.specs import LARGEST_SPEC
from queues.records import whole
from queues.scripts import Scripts

SPECS_AT_ONCE = 512 << 10
"""Bytes of specs after which one call gives no more schedules: about a millisecond of Redis."""

MAKE = "make"
"""The verdict on an instant that gets a run; any other verdict is the id of the run that waits in its place."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A schedule and how far it has been dealt with: no instant at or before the cursor is looked at again."""

    deployment_id: str
    slug: str
    text: str  # its canonical JSON, which `orchestrator.store.instants` reads
    cursor_us: int
    revision: int
    begun_us: tuple[int, ...] = ()  # instants that a pass decided to make runs for and did not come to the end of


@dataclass(frozen=True, kw_only=True)
class Due:
    """What is due at a time of Redis; `stopped` are schedules of which a key has another type: `deployment id/slug`."""

    now_us: int
    standings: list[Standing]
    deployments: Mapping[str, Mapping[str, Any]]
    """What Redis holds of their deployments, by id; `Deployments.held` reads it."""
    stopped: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Skip:
    """Instants of a schedule that made no run: `count` of them, from first to last, for one reason."""

    slug: str
    first_us: int
    last_us: int
    count: int
    reason: str
    at_us: int = 0

    def packed(self) -> dict[str, Any]:
        """Give the range as the script advance_schedules takes it."""
        return {"first": self.first_us, "last": self.last_us, "count": self.count, "reason": self.reason}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Instants that may get runs, as (run id, microseconds), and how many scheduled runs may wait."""

    standing: Standing
    most_waiting: int
    instants: tuple[tuple[str, int], ...]

    def packed(self) -> dict[str, Any]:
        """Give the question as the script begin_instants takes it."""
        return {
            "deployment": self.standing.deployment_id,
            "slug": self.standing.slug,
            "revision": self.standing.revision,
            "from": self.standing.cursor_us,
            "most": self.most_waiting,
            "instants": [{"run": run, "at": at} for run, at in self.instants],
        }


@dataclass(frozen=True, kw_only=True)
class Advance:
    """Moves the cursor of a schedule from where it was read; with `idle`, only if no pass is under way."""

    standing: Standing
    to_us: int
    next_us: int | None
    skips: tuple[Skip, ...] = ()
    idle: bool = False

    def packed(self) -> dict[str, Any]:
        """Give the move as the script advance_schedules takes it."""
        item = {
            "deployment": self.standing.deployment_id,
            "slug": self.standing.slug,
            "revision": self.standing.revision,
            "from": self.standing.cursor_us,
            "to": self.to_us,
            "skips": [skip.packed() for skip in self.skips],
            "idle": self.idle,
        }
        return item if self.next_us is None else item | {"next": self.next_us}


class Schedules:
    """Reads what is due and moves cursors. `epoch` is a leader's: one that was deposed writes nothing."""

    def __init__(self, scripts: Scripts, keys: StoreKeys) -> None:
        self._scripts = scripts
        self._keys = keys

    def due(self, limit: int) -> Due:
        """Give the time of Redis and the schedules that have an instant at or before it, oldest first."""
        reply = self._scripts.call("due_schedules", limit=limit, largest=LARGEST_SPEC, most=SPECS_AT_ONCE)
        items = [
            Standing(
                deployment_id=item["deployment"],
                slug=item["slug"],
                text=item["text"],
                cursor_us=item["cursor"],
                revision=item["revision"],
                begun_us=tuple(item["begun"]),
            )
            for item in reply["items"]
        ]
        return Due(
            now_us=int(reply["now"]),
            standings=items,
            deployments=dict(reply["deployments"]),
            stopped=tuple(reply["stopped"]),
        )

    def begin(self, wanted: Sequence[Wanted], epoch: int | None = None) -> list[list[str]] | None:
        """Decide which instants get a run: per item and instant MAKE or the id of a run that waits already.

        The list of an item is empty when its cursor has moved since it was read. None when deposed.
        """
        answer = self._scripts.call("begin_instants", items=[item.packed() for item in wanted], **fence(epoch))
        return None if answer is None else [list(verdicts) for verdicts in answer]

    def advance(self, moves: Sequence[Advance], epoch: int | None = None) -> int | None:
        """Move cursors after the runs were made, and note what was skipped; gives how many moved, None when deposed."""
        answer = self._scripts.call("advance_schedules", items=[move.packed() for move in moves], **fence(epoch))
        return None if answer is None else int(answer)

    def skips(self, deployment_id: str, limit: int = 20) -> list[Skip]:
        """List skipped instants of a deployment, newest first."""
        key = self._keys.skips(deployment_id)
        entries = self._scripts.ask(lambda client: client.xrevrange(key, count=limit))
        return [skip(fields) for _, fields in entries]

    def trim_skips(self, deployment_ids: Sequence[str], before_us: int) -> None:
        """Forget what was skipped before a time."""

        def trim(pipe: Any) -> None:
            for deployment_id in deployment_ids:
                pipe.xtrim(self._keys.skips(deployment_id), minid=before_us // 1000, approximate=False)

        if deployment_ids:
            self._scripts.ask_many(trim)


def fence(epoch: int | None) -> dict[str, int]:
    """Give the argument that a script refuses when another scheduler leads."""
    return {} if epoch is None else {"epoch": epoch}


def standings(deployment_id: str, revision: int, raw: Mapping[bytes, bytes]) -> list[Standing]:
    """Read the hash of a deployment's schedules."""
    found = []
    for field in sorted(raw):
        kind, _, slug = field.decode("utf-8", "replace").partition(":")
        if kind == "body":
            cursor = whole(raw.get(f"cursor:{slug}".encode()))
            text = raw[field].decode("utf-8", "replace")
            found.append(
                Standing(deployment_id=deployment_id, slug=slug, text=text, cursor_us=cursor, revision=revision)
            )
    return found


def skip(fields: Mapping[bytes, bytes]) -> Skip:
    """Read an entry of the stream of skips."""
    text = {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
    return Skip(
        slug=text["slug"],
        first_us=int(text["first"]),
        last_us=int(text["last"]),
        count=int(text["count"]),
        reason=text["reason"],
        at_us=int(text["at"]),
    )
