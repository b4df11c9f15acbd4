"""The client's verbs on the lines that runs wrote: read, read the end, follow."""

import re
from collections import deque
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypedDict, Unpack

from orchestrator.client import views
from orchestrator.client.access import Access, moment_us
from orchestrator.client.values import LogLine
from orchestrator.errors import Invalid, shown
from orchestrator.store.run_logs import Position
from queues.clock import from_us
from queues.records import Run

LOG_BLOCK_MS = 500
LOG_PAGE = 1000
LATE_LINES_SECONDS = 10
"""How long a follower waits for lines that a run wrote and its agent has not shipped yet."""

LEVELS = {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40, "CRITICAL": 50}
"""What was merely printed counts as INFO."""


class Lines(TypedDict, total=False):
    """Which lines are wanted; what is left out, or None, does not matter. Gaps are always told.

    `level`: the least one, by name or number; `task`: a task, or one run of it as in `score-3`; `since`: a time.
    """

    level: int | str | None
    task: str | None
    since: datetime | None


class RunLogVerbs(Access):
    """Logs of flow runs."""

    def read_logs(
        self, ref: str, *, after: str | None = None, limit: int = LOG_PAGE, **which: Unpack[Lines]
    ) -> list[LogLine]:
        """The first lines that are there and wanted, in order; `after` is the `position` of the last line read."""
        found: list[LogLine] = []
        for page in self._pages(self.store.runs.find(ref), position(after), min(limit, LOG_PAGE)):
            found += filter(wanted(which), page)
            if len(found) >= limit:
                break
        return found[:limit]

    def tail_logs(self, ref: str, count: int, **which: Unpack[Lines]) -> list[LogLine]:
        """The last `count` lines that are there and wanted, in order."""
        last: deque[LogLine] = deque(maxlen=count)
        for page in self._pages(self.store.runs.find(ref), Position(), LOG_PAGE):
            last += filter(wanted(which), page)
        return list(last)

    def follow_logs(self, ref: str, *, after: str | None = None, **which: Unpack[Lines]) -> Iterator[LogLine]:
        """Wanted lines as they come; ends when the run has ended and its last line was given."""
        run_id, at, fits = self.store.runs.find(ref).id, position(after), wanted(which)
        patience = LATE_LINES_SECONDS * 1000 // LOG_BLOCK_MS
        while True:
            # The state is read before the lines: a run mostly ships its last line before it ends.
            run = self.store.records.get(run_id)
            if run is None:
                return
            lines = self._log_lines(run, at, LOG_PAGE)
            yield from filter(fits, lines)
            if lines:
                at = Position.parse(lines[-1].position)
            elif run.is_terminal and (patience == 0 or has_all_lines(run, at)):
                return
            else:
                patience -= 1 if run.is_terminal else 0
                self.store.logs.wait(run_id, at, LOG_BLOCK_MS)

    def _pages(self, run: Run, at: Position, size: int) -> Iterator[list[LogLine]]:
        while page := self._log_lines(run, at, size):
            yield page
            at = Position.parse(page[-1].position)

    def _log_lines(self, run: Run, at: Position, limit: int) -> list[LogLine]:
        rest = run.fields.get("log_rest")
        where = f"; the agent {run.agent or 'of the run'} has them in {rest}" if rest else ""
        lines = self.store.logs.read(run.id, at, limit=limit)
        if not lines and at == Position() and run.fields.get("log_dropped"):
            return [dropped(run, where)]
        return views.log_lines(lines, where)


def wanted(which: Lines) -> Callable[[LogLine], bool]:
    """Whether a line is one of those; raises Invalid."""
    least, task, since = level_of(which.get("level") or 0), which.get("task"), which.get("since")
    since_us = 0 if since is None else moment_us("since", since)
    first = from_us(since_us)
    runs_of_task = None if task is None else re.compile(rf"{re.escape(task)}(-\d+)?", re.ASCII)

    def fits(line: LogLine) -> bool:
        if line.timestamp < first:
            return False
        of_task = runs_of_task is None or runs_of_task.fullmatch(line.task or "") is not None
        return line.source == views.GAP or (line.level >= least and of_task)

    return fits


def level_of(level: int | str) -> int:
    """The number of a level; raises Invalid."""
    if isinstance(level, int):
        return level
    if level.upper() not in LEVELS:
        raise Invalid(f"expected level to be one of {', '.join(LEVELS)}, got {shown(level)}", field="level")
    return LEVELS[level.upper()]


def position(text: str | None) -> Position:
    """Where a reading of a log goes on; raises Invalid."""
    try:
        return Position() if text is None else Position.parse(text)
    except ValueError:
        raise Invalid(f"expected after to be a position such as 1-250, got {shown(text)}", field="after") from None


def has_all_lines(run: Run, at: Position) -> bool:
    """Whether the last line of an ended run was read, as far as its record says which that is."""
    last = Position.parse(run.fields.get("last_line") or "0-0")
    return last.sequence == 0 or at >= last or "log_dropped" in run.fields


def dropped(run: Run, where: str) -> LogLine:
    """The line that stands for a log which was removed."""
    reasons = {"age": "it was older than logs are kept", "space": "all logs together had grown too large"}
    why = reasons.get(run.fields["log_dropped"], run.fields["log_dropped"])
    return LogLine(
        timestamp=from_us(run.ended_us or run.created_us),
        attempt=0,
        sequence=0,
        level=20,
        source=views.GAP,
        logger=None,
        task=None,
        message=f"… the log is not kept here any more: {why}{where} …",
        position="0-1",
    )
