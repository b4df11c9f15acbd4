"""Named events of floor 0 and the one place that logs them."""

import os
import sys
from importlib import import_module


def to_stderr() -> None:
    """Write the events of this process, and of the packages it uses, as lines on stderr."""
    structlog = import_module("structlog")
    colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=colours, pad_event_to=0, pad_level=False),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _say(level: str, event: str, **fields: object) -> None:
    """Log through structlog where the process has set it up; commands that have not stay fast and quiet."""
    structlog = sys.modules.get("structlog")
    if structlog is not None and structlog.is_configured():
        getattr(structlog.get_logger("headgate.queues"), level)(event, **fields)


def claimed(*, agent: str, count: int, more: bool) -> None:
    """Say that an agent got runs."""
    _say("info", "claimed", agent=agent, count=count, more=more)


def left_out(*, agent: str, problems: tuple[str, ...]) -> None:
    """Say what an agent met on its queues and could not take: damaged records and keys, records of a newer version."""
    _say("warning", "left_out", agent=agent, problems=list(problems))


def lost(*, agent: str, runs: list[str]) -> None:
    """Say that an agent learned that it no longer owns runs."""
    _say("warning", "lost", agent=agent, runs=runs)


def late_finish(*, agent: str, run: str) -> None:
    """Say that the end of a run came after its lease was given away, and changed nothing."""
    _say("warning", "late_finish", agent=agent, run=run)


def expired(*, requeued: int, crashed: int, cancelled: int, rejected: int) -> None:
    """Say that leases of lost agents ran out."""
    _say("warning", "expired", requeued=requeued, crashed=crashed, cancelled=cancelled, rejected=rejected)


def promoted(*, count: int) -> None:
    """Say that delayed runs became due."""
    _say("info", "promoted", count=count)


def transferred(*, queue: str, count: int, actor: str) -> None:
    """Say that someone moved waiting runs to another work queue."""
    _say("info", "transferred", queue=queue, count=count, actor=actor)


def forgotten(*, count: int) -> None:
    """Say that finished runs were removed with all that belongs to them."""
    _say("info", "forgotten", count=count)


def limit_set(*, limit: str, before: int | None, after: int | None, actor: str) -> None:
    """Say that someone changed a limit."""
    _say("info", "limit_set", limit=limit, before=before, after=after, actor=actor)


def queue_changed(*, queue: str, change: str, actor: str) -> None:
    """Say that someone changed a work queue."""
    _say("info", "queue_changed", queue=queue, change=change, actor=actor)


def registered(*, agent: str, queues: list[str], released: int) -> None:
    """Say that an agent took its name, and how many runs of a dead holder went back into line."""
    _say("info", "registered", agent=agent, queues=queues, released=released)


def unregistered(*, agent: str, released: int) -> None:
    """Say that an agent left."""
    _say("info", "unregistered", agent=agent, released=released)


def requested(*, agent: str, request: str, actor: str) -> None:
    """Say that someone asked an agent to drain or stop."""
    _say("info", "requested", agent=agent, request=request, actor=actor)


def recovery_opened(*, reason: str) -> None:
    """Say that Redis came back or its clock jumped: nothing expires and nobody claims for a while."""
    _say("warning", "recovery_opened", reason=reason)
