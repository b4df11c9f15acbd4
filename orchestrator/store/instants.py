"""What stored schedules ask for: their instants in microseconds, and what to do about those that are due; pure."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from orchestrator.runs import scheduled_run_id
from orchestrator.schedules import Schedule, from_dict
from orchestrator.schedules.due import due, why
from orchestrator.schedules.instants import instants_after as times_after
from orchestrator.store.schedules import Advance, Skip, Standing
from queues import schemas
from queues.clock import from_us, to_us
from queues.decoding import from_json

LARGEST_SCHEDULE = 64 << 10
COUNTED = 1_000_000
"""Instants of one range that are counted at most; the count of a longer one is a lower bound."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What to do about a schedule: runs for these instants unless too many wait, these skips, then a new cursor."""

    standing: Standing
    instants: tuple[int, ...]
    skips: tuple[Skip, ...]
    to_us: int
    next_us: int | None


@lru_cache(maxsize=4096)
def schedule_of(text: str) -> Schedule:
    """The schedule of its stored text; raises InvalidSchedule, NewerSchema and ValueError for what we did not write."""
    stored = from_json(text, most=LARGEST_SCHEDULE)
    if isinstance(stored, dict):
        schemas.refuse_newer("the schedule", stored, schemas.SCHEDULE)
    return from_dict(stored)


def instants_after(text: str, after_us: int) -> Iterator[int]:
    """The instants later than a time, in order."""
    return map(to_us, times_after(schedule_of(text), from_us(after_us)))


def first_after(text: str, after_us: int) -> int | None:
    """The first instant later than a time; None when the schedule has ended."""
    return next(instants_after(text, after_us), None)


def scheduled_id(deployment_id: str, slug: str, at_us: int) -> str:
    """The id that the run of an instant has or will get."""
    return scheduled_run_id(deployment_id, slug, from_us(at_us))


def planned(standing: Standing, now_us: int) -> Plan:
    """Decide about the instants after the cursor and up to now; what a pass began before is taken as decided."""
    schedule = schedule_of(standing.text)
    if standing.begun_us:
        return resumed(standing)
    found = due(schedule, cursor=from_us(standing.cursor_us), now=from_us(now_us))
    ranges = [(to_us(one.first), to_us(one.last), one.count, one.reason) for one in found.skipped]
    return Plan(
        standing=standing,
        instants=tuple(map(to_us, found.make)),
        skips=tuple(
            Skip(slug=standing.slug, first_us=first, last_us=last, count=count, reason=reason)
            for first, last, count, reason in ranges
        ),
        to_us=to_us(found.cursor),
        next_us=None if found.next is None else to_us(found.next),
    )


def resumed(standing: Standing) -> Plan:
    """Go on where a pass stopped: its runs are made, the instants between and before them were missed.

    Deciding anew could call an instant missed that has its run: by now a later one is the latest.
    """
    last = max(standing.begun_us)
    _, reason = why(schedule_of(standing.text), None, False)
    missed = skipped(standing, last, reason, besides=frozenset(standing.begun_us))
    return Plan(
        standing=standing,
        instants=tuple(sorted(standing.begun_us)),
        skips=missed,
        to_us=last,
        next_us=first_after(standing.text, last),
    )


def passed_over(standing: Standing, now_us: int, reason: str) -> Advance:
    """Move a cursor to now: the instants up to now make no run, for this reason. Not while a pass is under way."""
    to = max(standing.cursor_us, now_us)
    return Advance(
        standing=standing,
        to_us=to,
        next_us=first_after(standing.text, to),
        skips=skipped(standing, now_us, reason),
        idle=True,
    )


def skipped(standing: Standing, until_us: int, reason: str, besides: Container[int] = ()) -> tuple[Skip, ...]:
    """The instants after the cursor and up to a time as one range, `besides` some; nothing when there are none."""
    first = last = count = 0
    for at in islice(instants_after(standing.text, standing.cursor_us), COUNTED):
        if at > until_us:
            break
        if at not in besides:
            first, last, count = first or at, at, count + 1
    if not count:
        return ()
    if count == COUNTED:
        last = until_us
    return (Skip(slug=standing.slug, first_us=first, last_us=last, count=count, reason=reason),)
