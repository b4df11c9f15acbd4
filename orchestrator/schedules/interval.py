"""The instants of an interval.

Whole days in a zone are days of its calendar: every day at 09:00 stays at 09:00 when summer time begins. Everything
else is elapsed time: every six hours is six hours, whatever the clocks do. The anchor only says where the grid lies;
it is no beginning.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo

from orchestrator.schedules.wall_clock import DAY, named_times, once, wall


class IntervalInstants:
    """When an interval fires: at the anchor and every whole number of intervals before and after it."""

    def __init__(self, interval: timedelta, anchor: datetime, where: tzinfo) -> None:
        self.interval = interval
        self.where = where
        self.counts_days = interval % DAY == timedelta(0)
        self.anchor_wall = anchor if anchor.tzinfo is None else wall(anchor, where)
        self.anchor = once(self.anchor_wall, where) if anchor.tzinfo is None else anchor.astimezone(UTC)

    def after(self, instant: datetime) -> Iterator[datetime]:
        """The instants later than this one, in order."""
        return named_times(self.walls, self.where, instant) if self.counts_days else self._elapsed(instant)

    def walls(self, start: datetime) -> Iterator[datetime]:
        """The wall times from a wall time on, itself included; only for whole days."""
        number = -((self.anchor_wall - start) // self.interval)
        while True:
            try:
                yield self.anchor_wall + number * self.interval
            except OverflowError:
                return
            number += 1

    def _elapsed(self, instant: datetime) -> Iterator[datetime]:
        number = (instant - self.anchor) // self.interval + 1
        while True:
            try:
                yield self.anchor + number * self.interval
            except OverflowError:
                return
            number += 1
