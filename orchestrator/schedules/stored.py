"""Schedules as plain values and back: what a deployment records, and what the scheduler reads."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from orchestrator.errors import InvalidSchedule, expected, shown
from orchestrator.schedules import DEFAULT_SLUG, KINDS, Schedule


def to_dict(schedule: Schedule) -> dict[str, Any]:
    """Kind, arguments and slug as JSON values; an interval in seconds, an anchor as ISO text."""
    facts = schedule.facts()
    interval = facts.pop("interval", None)
    if interval is not None:
        seconds = interval.total_seconds() if isinstance(interval, timedelta) else float(interval)
        facts["interval_seconds"] = int(seconds) if seconds.is_integer() else seconds
    if facts.get("anchor_date") is not None:
        facts = with_anchor(facts)
    return {"kind": schedule.kind, **facts, "slug": schedule.slug or DEFAULT_SLUG}


def with_anchor(facts: dict[str, Any]) -> dict[str, Any]:
    """An anchor as text; a zone that only the datetime names is named by the schedule."""
    anchor: datetime = facts["anchor_date"]
    timezone = facts["timezone"] or getattr(anchor.tzinfo, "key", None)
    return {**facts, "anchor_date": anchor.isoformat(), "timezone": timezone}


def from_dict(stored: Mapping[str, Any]) -> Schedule:
    """The schedule of `to_dict`, unchecked; raises InvalidSchedule when the values can not be one."""
    if not isinstance(stored, Mapping) or stored.get("kind") not in KINDS:
        kind = stored.get("kind") if isinstance(stored, Mapping) else stored
        raise InvalidSchedule(
            expected("kind", f"one of {', '.join(KINDS)}", kind),
            field="kind",
            hint="a newer Headgate may have written it",
        )
    made = KINDS[stored["kind"]]
    schedule: Schedule = made.__new__(made)
    try:
        for name in (*Schedule.__slots__, *made.__slots__):
            setattr(schedule, name, argument(stored, name))
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise InvalidSchedule(f"the stored schedule {shown(dict(stored))} can not be read: {error!r:.100}") from None
    return schedule


def argument(stored: Mapping[str, Any], name: str) -> Any:
    """One argument of a stored schedule, as its constructor would have kept it."""
    if name == "interval":
        return timedelta(seconds=stored["interval_seconds"])
    if name == "anchor_date":
        return datetime.fromisoformat(stored[name]) if stored.get(name) else None
    if name in ("cron", "rrule"):
        return str(stored[name])
    return stored.get(name, {"catch_up": "latest", "day_or": True}.get(name))


def with_slugs(schedules: Sequence[Schedule]) -> list[dict[str, Any]]:
    """Schedules of one deployment as plain values, each with a slug of its own; raises InvalidSchedule for doubles.

    A lone schedule is called `default`, so that editing it keeps what is known about it. Of several, one without a
    slug is called after what it says, so that reordering the list changes nothing.
    """
    stored = [to_dict(schedule) for schedule in schedules]
    for schedule, values in zip(schedules, stored, strict=True):
        if schedule.slug is None and len(stored) > 1:
            values["slug"] = f"{schedule.kind}-{digest(values)}"
    seen: set[str] = set()
    for schedule, values in zip(schedules, stored, strict=True):
        if values["slug"] in seen:
            what = "the same slug" if schedule.slug else "the same instants"
            raise InvalidSchedule(
                f"two schedules have {what}: {schedule}", field="schedules", hint="remove one, or give each a slug="
            )
        seen.add(values["slug"])
    return stored


def digest(values: Mapping[str, Any]) -> str:
    """Eight characters that stand for when a schedule fires."""
    timing = {name: value for name, value in values.items() if name not in ("slug", "catch_up")}
    return hashlib.sha256(json.dumps(timing, sort_keys=True).encode()).hexdigest()[:8]
