"""The client's verbs on the limits of tags, and who holds the slots of any limit."""

from typing import Any

from orchestrator.client import views
from orchestrator.client.access import Access
from orchestrator.client.limit_values import Slot, TagLimit, TagLimitDetail, TagLimitSet
from orchestrator.client.scenes import holders_of
from orchestrator.store import Store
from orchestrator.store.names import not_found
from queues.clock import SECOND_US, from_us, score_us
from queues.errors import InvalidValue
from queues.keys import NAME
from queues.limits import checked_limit

TAG = "tag:"


class TagLimitVerbs(Access):
    """What can be done with the limits of tags; a tag is named by its whole name."""

    def set_tag_limit(self, tag: str, limit: int) -> TagLimitSet:
        """Let at most `limit` runs that carry a tag be executing at once; those that run already count, and go on."""
        if not NAME.fullmatch(tag):
            raise InvalidValue("the tag", "1 to 128 of a-z 0-9 . _ -, the first a letter or digit", tag)
        before = self.store.limits.set(tag_limit(tag), checked_limit(limit), self.actor)
        status = "created" if before is None else "unchanged" if before == limit else "updated"
        return TagLimitSet(**self._fields(tag, limit), status=status, before=before)

    def list_tag_limits(self) -> list[TagLimit]:
        """The limits of all tags, by name."""
        numbers = self._numbers()
        used = self.store.limits.used([tag_limit(tag) for tag in numbers])
        rows = zip(numbers.items(), used, strict=True)
        return [TagLimit(tag=tag, concurrency_limit=most, running=held, parked=n) for (tag, most), (held, n) in rows]

    def get_tag_limit(self, tag: str) -> TagLimitDetail:
        """Everything about the limit of a tag: who holds its slots, which deployments carry it, who changed what."""
        most, limit = self._number(tag), tag_limit(tag)
        carry = (one.name for one in self.store.deployments.all() if tag in (one.spec.get("tags") or ()))
        return TagLimitDetail(
            **self._fields(tag, most),
            deployments=tuple(carry),
            holders=slots_of(self.store, limit),
            changes=tuple(views.change(change) for change in self.store.changes.of(limit)),
        )

    def delete_tag_limit(self, tag: str, *, dry_run: bool = False) -> TagLimit:
        """Let any number of runs that carry a tag be executing at once; not with `dry_run`. Gives the limit it had."""
        gone = TagLimit(**self._fields(tag, self._number(tag)))
        if not dry_run:
            self.store.limits.set(tag_limit(tag), None, self.actor)
        return gone

    def _numbers(self) -> dict[str, int]:
        found = sorted(self.store.limits.all().items())
        return {name.removeprefix(TAG): number for name, number in found if name.startswith(TAG)}

    def _number(self, tag: str) -> int:
        numbers = self._numbers()
        if tag not in numbers:
            raise not_found("tag limit", tag, numbers, hint="`headgate concurrency-limit create TAG LIMIT` makes one")
        return numbers[tag]

    def _fields(self, tag: str, number: int) -> dict[str, Any]:
        ((running, parked),) = self.store.limits.used([tag_limit(tag)])
        return {"tag": tag, "concurrency_limit": number, "running": running, "parked": parked}


def tag_limit(tag: str) -> str:
    """Name the limit of the runs that carry a tag."""
    return f"{TAG}{tag}"


def slots_of(store: Store, limit: str) -> tuple[Slot, ...]:
    """Who holds the slots of a limit, oldest first, and how long their leases last."""
    held, now_us = holders_of(store, limit, most=None), store.scripts.now_us()
    ids = [holder.run_id for holder in held]
    ends = store.scripts.ask(lambda client: client.zmscore(store.keys.leases, ids)) if ids else []
    return tuple(
        Slot(
            **vars(holder),
            lease_until=None if end is None else from_us(score_us(end)),
            lease_left_seconds=None if end is None else round((score_us(end) - now_us) / SECOND_US, 1),
        )
        for holder, end in zip(held, ends, strict=True)
    )
