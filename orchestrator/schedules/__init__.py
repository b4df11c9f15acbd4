"""When a deployment's runs are due: intervals, cron lines and recurrence rules, each with its zone.

A flow's file makes schedules at its top, so they are made again at every run: in a flow's process these classes only
keep what they are given, and nothing else is loaded. Everywhere else a schedule is checked when it is made.

`instants` says when a schedule fires, `due` which of its instants get runs, `text` what it says in words.
"""

from orchestrator.sdk import context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from typing import Any

DEFAULT_SLUG = "default"


class Schedule:
    """When runs are due. `slug` names it within its deployment; `catch_up` says what becomes of missed instants.

    `catch_up` is "latest" (after a downtime only the latest missed instant runs), "skip" (none does), "all", or how
    many of the latest run at most.
    """

    __slots__ = ("catch_up", "slug", "timezone")
    kind = ""

    def __init__(self, timezone: "str | None", slug: "str | None", catch_up: "str | int") -> None:
        self.timezone = timezone
        self.slug = slug
        self.catch_up = catch_up

    def facts(self) -> "dict[str, Any]":
        """Everything that makes this schedule what it is, under the names of its arguments."""
        raise NotImplementedError

    def _made(self, unknown: "dict[str, object]") -> None:
        if not context.in_flow_process:
            from orchestrator.schedules.checks import check, check_unknown

            check_unknown(self, unknown)
            check(self)

    def to_dict(self) -> "dict[str, Any]":
        """Plain values that `from_dict` reads, the slug among them; times as text with their offset."""
        from orchestrator.schedules.stored import to_dict

        return to_dict(self)

    def __str__(self) -> str:
        from orchestrator.schedules.text import text_of

        return text_of(self)

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.facts().items() if value is not None)
        return f"{type(self).__name__}({shown})"

    # Compared as they read: 09:00 in Paris and 08:00 in UTC are equal as datetimes, and differ as anchors.
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(tuple(self.facts().values()))


class IntervalSchedule(Schedule):
    """Every so often, at least a second: a timedelta, or seconds.

    `anchor_date` (default 2020-01-01 00:00) says where the grid lies; it is no beginning. Whole days are days of the
    calendar of `timezone` and keep their time of day when the clocks change; anything else is elapsed time.
    """

    __slots__ = ("anchor_date", "interval")
    kind = "interval"

    def __init__(
        self,
        interval: "timedelta | float",
        anchor_date: "datetime | None" = None,
        timezone: "str | None" = None,
        *,
        slug: "str | None" = None,
        catch_up: "str | int" = "latest",
        **unknown: object,
    ) -> None:
        super().__init__(timezone, slug, catch_up)
        self.interval = interval
        self.anchor_date = anchor_date
        self._made(unknown)

    def facts(self) -> "dict[str, Any]":
        return {
            "interval": self.interval,
            "anchor_date": self.anchor_date,
            "timezone": self.timezone,
            "slug": self.slug,
            "catch_up": self.catch_up,
        }


class CronSchedule(Schedule):
    """A cron line of five fields (minute hour day month weekday) or an alias such as @daily, in `timezone` (else UTC).

    With `day_or=False` a day must match both day fields when both are given; cron itself takes either.
    """

    __slots__ = ("cron", "day_or")
    kind = "cron"

    def __init__(
        self,
        cron: str,
        timezone: "str | None" = None,
        day_or: bool = True,
        *,
        slug: "str | None" = None,
        catch_up: "str | int" = "latest",
        **unknown: object,
    ) -> None:
        super().__init__(timezone, slug, catch_up)
        self.cron = cron
        self.day_or = day_or
        self._made(unknown)

    def facts(self) -> "dict[str, Any]":
        return {
            "cron": self.cron,
            "timezone": self.timezone,
            "day_or": self.day_or,
            "slug": self.slug,
            "catch_up": self.catch_up,
        }


class RRuleSchedule(Schedule):
    """An iCalendar recurrence rule: `FREQ=…` or lines of DTSTART, RRULE, RDATE and EXDATE, in `timezone` (else UTC).

    A rule object of dateutil is taken too. Without DTSTART the rule counts from 2020-01-01 00:00.
    """

    __slots__ = ("rrule",)
    kind = "rrule"

    def __init__(
        self,
        rrule: "str | Any",
        timezone: "str | None" = None,
        *,
        slug: "str | None" = None,
        catch_up: "str | int" = "latest",
        **unknown: object,
    ) -> None:
        super().__init__(timezone, slug, catch_up)
        self.rrule = str(rrule) if type(rrule).__module__.startswith("dateutil.") else rrule
        self._made(unknown)

    def facts(self) -> "dict[str, Any]":
        return {"rrule": self.rrule, "timezone": self.timezone, "slug": self.slug, "catch_up": self.catch_up}


KINDS = {made.kind: made for made in (IntervalSchedule, CronSchedule, RRuleSchedule)}


def from_dict(stored: "dict[str, Any]") -> Schedule:
    """The schedule that `to_dict` wrote; it is not checked again. Raises InvalidSchedule when it was not written so."""
    from orchestrator.schedules.stored import from_dict

    return from_dict(stored)


def upcoming(schedule: Schedule, after: "datetime", n: int) -> "list[datetime]":
    """The next n instants later than `after`, in UTC; fewer when the schedule ends."""
    from orchestrator.schedules.instants import upcoming

    return upcoming(schedule, after, n)
