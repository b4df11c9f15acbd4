"""Which instants of a schedule are due, which of them get a run, and why the others do not. Pure.

A schedule has a cursor: the last instant that was dealt with. It only grows, and instants at or before it are never
looked at again, whatever happened to their runs. One call deals with a bounded number of instants; after a very long
downtime the answer says that there is more, and has moved the cursor that far.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orchestrator.schedules import Schedule
from orchestrator.schedules.checks import MOST_CAUGHT_UP
from orchestrator.schedules.instants import instants_after

EXAMINED = 50_000
ON_TIME = timedelta(seconds=60)

PAUSED = "paused"
WAITING = "waiting"
MISSED = "missed"


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Instants in a row that get no run: `count` from first to last, a code and a sentence for why."""

    first: datetime
    last: datetime
    count: int
    code: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Due:
    """What to do for a schedule now. Runs are made before the cursor is stored: a crash in between repeats the call."""

    make: tuple[datetime, ...]
    skipped: tuple[Skipped, ...]
    cursor: datetime
    next: datetime | None
    more: bool = False


def due(
    schedule: Schedule,
    *,
    cursor: datetime,
    now: datetime,
    room: int | None = None,
    paused: bool = False,
    examined: int = EXAMINED,
) -> Due:
    """Deal with the instants after the cursor and up to now.

    `room` is how many more scheduled runs of the deployment may wait (None: any number). `next` is the first instant
    that was not dealt with, which is in the past only when there is `more`.
    """
    kept = 0 if paused or room == 0 else most_kept(schedule)
    newest: deque[datetime] = deque()
    passed = Range()
    following = None
    for seen, instant in enumerate(instants_after(schedule, cursor)):
        if instant > now or seen == examined:
            following = instant
            break
        newest.append(instant)
        if len(newest) > kept:
            passed.add(newest.popleft())
    if following is not None and following <= now and passed.last is not None:
        # Nothing is made yet: a later instant may be the one that runs.
        reason = why(schedule, room, paused)
        return Due(
            make=(), skipped=passed.skipped(*reason), cursor=passed.last, next=(newest or [following])[0], more=True
        )
    return settled(schedule, list(newest), passed, following, Moment(cursor=cursor, now=now, room=room, paused=paused))


@dataclass(frozen=True, kw_only=True)
class Moment:
    """What a call of `due` was asked with."""

    cursor: datetime
    now: datetime
    room: int | None
    paused: bool


def settled(schedule: Schedule, newest: list[datetime], passed: "Range", following: datetime | None, at: Moment) -> Due:
    """The answer once every instant up to now is known."""
    last = newest[-1] if newest else passed.last
    if schedule.catch_up == "skip" and newest and at.now - newest[0] > ON_TIME:
        passed.add(newest.pop(0))
    room = len(newest) if at.room is None else at.room
    return Due(
        make=tuple(newest[:room]),
        skipped=passed.skipped(*why(schedule, at.room, at.paused)) + Range(newest[room:]).skipped(WAITING, WAITS),
        cursor=max(at.cursor, last) if last is not None else at.cursor,
        next=following,
    )


def most_kept(schedule: Schedule) -> int:
    """How many missed instants may run."""
    if isinstance(schedule.catch_up, int):
        return schedule.catch_up
    return MOST_CAUGHT_UP if schedule.catch_up == "all" else 1


WAITS = "a scheduled run of this deployment was still waiting to start"


def why(schedule: Schedule, room: int | None, paused: bool) -> tuple[str, str]:
    """Code and sentence for the instants that were passed over."""
    if paused:
        return PAUSED, "the deployment was paused"
    if room == 0:
        return WAITING, WAITS
    if schedule.catch_up == "skip":
        return MISSED, "no scheduler ran at that time, and missed instants do not run (catch_up='skip')"
    most = most_kept(schedule)
    latest = "only the latest missed instant runs" if most == 1 else f"only the latest {most} missed instants run"
    return MISSED, f"no scheduler ran at that time, and {latest} (catch_up={schedule.catch_up!r})"


class Range:
    """Instants in a row, counted and not kept."""

    def __init__(self, instants: Sequence[datetime] = ()) -> None:
        self.first = instants[0] if instants else None
        self.last = instants[-1] if instants else None
        self.count = len(instants)

    def add(self, instant: datetime) -> None:
        """Count the one that follows."""
        if self.first is None:
            self.first = instant
        self.last = instant
        self.count += 1

    def skipped(self, code: str, reason: str) -> tuple[Skipped, ...]:
        """The range as a record; nothing when it is empty."""
        if self.first is None or self.last is None:
            return ()
        return (Skipped(first=self.first, last=self.last, count=self.count, code=code, reason=reason),)
