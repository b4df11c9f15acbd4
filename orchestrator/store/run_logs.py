"""The lines that runs wrote, in Redis: ordered by (attempt, sequence), bounded per run, in total and in time."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import msgpack

from orchestrator.keys import StoreKeys
from queues.clock import seconds_to_us
from queues.decoding import checked_row, from_msgpack
from queues.errors import BadPayload, NewerSchema
from queues.schemas import LOG_BATCH, refuse_newer
from queues.scripts import Scripts

MOST_PER_RUN = 4 << 20
"""Bytes of a run's log that are kept: its first half MiB and its end; what lies between goes."""

HEAD_PER_RUN = 1 << 19
MOST_IN_TOTAL = 256 << 20
"""Bytes of all logs together; the logs that have been silent for longest go first."""

LARGEST_BATCH = 1 << 20
"""Bytes of one batch; an agent sends about 64 KiB at a time."""

WARNING = 30
NOTHING = type(None)
ROW = (int, int, int, str, (str, NOTHING), (str, NOTHING))
"""The types of a line's items."""

LOG, STDOUT, STDERR, AGENT = range(4)
SOURCES = ("log", "stdout", "stderr", "agent")
"""Where a line came from: the run's logger, its two outputs, or the agent that speaks about the run."""


class LogRecord(NamedTuple):
    """One line as an agent ships it; its sequence number is its place in the batch. `source` indexes SOURCES."""

    at_us: int
    source: int
    level: int
    text: str
    logger: str | None = None
    task: str | None = None


@dataclass(frozen=True, kw_only=True, order=True)
class Position:
    """A place in a log: right after this line of this attempt. `0-0` is the beginning."""

    attempt: int = 0
    sequence: int = 0

    @classmethod
    def parse(cls, text: str) -> "Position":
        """Read `<attempt>-<sequence>`; raises ValueError."""
        attempt, _, sequence = text.partition("-")
        return cls(attempt=int(attempt), sequence=int(sequence))

    def __str__(self) -> str:
        return f"{self.attempt}-{self.sequence}"


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line read back. `missing` > 0 makes it a gap: so many lines before it are not kept in Redis any more.

    Lines at the end of an earlier attempt are counted with those at the beginning of this one's.
    """

    at: Position
    record: LogRecord
    missing: int = 0


class RunLogs:
    """Appends batches, reads them back in order, and keeps what they take within bounds."""

    def __init__(self, scripts: Scripts, keys: StoreKeys) -> None:
        self._scripts = scripts
        self._keys = keys

    def append(
        self, run_id: str, token: int, attempt: int, first_seq: int, records: Sequence[LogRecord], rest: str = ""
    ) -> str:
        """Add lines first_seq, first_seq + 1 … of an attempt; see `append_packed`."""
        if not records:
            return "known"
        batch = packed(first_seq, records)
        if len(batch) > LARGEST_BATCH and len(records) > 1:
            half = len(records) // 2
            first = self.append(run_id, token, attempt, first_seq, records[:half], rest)
            second = self.append(run_id, token, attempt, first_seq + half, records[half:], rest)
            return first if first in ("lost", "gone", "cut") else second
        return self.append_packed(run_id, token, attempt, first_seq + len(records) - 1, batch, rest)

    def append_packed(self, run_id: str, token: int, attempt: int, last_seq: int, batch: bytes, rest: str = "") -> str:
        """Add lines as `packed` made them, the last of them numbered `last_seq`. Sent again, they are added once.

        `rest` says where lines can be found that are not kept in Redis; the run's record tells it once some are not.
        Answers `stored`, `cut` (lines of this run are not kept here any more, these perhaps among them), `known` (they
        were there), `lost` (another claim writes this attempt) or `gone` (no such run).
        """
        answer = self._scripts.call(
            "append_log",
            run=run_id,
            attempt=attempt,
            token=token,
            last=last_seq,
            batch=batch,
            head=HEAD_PER_RUN,
            most=MOST_PER_RUN,
            total=MOST_IN_TOTAL,
            rest=rest,
        )
        return str(answer)

    def last_line(self, run_id: str, attempt: int) -> int:
        """The number of the last line of an attempt that is here; 0 when there is none."""
        key, least, most = self._keys.logs(run_id), f"{attempt}-0", f"{attempt}-{(1 << 64) - 1}"
        found = self._scripts.ask(lambda client: client.xrevrange(key, max=most, min=least, count=1))
        return int(found[0][0].partition(b"-")[2]) if found else 0

    def read(self, run_id: str, after: Position | None = None, *, limit: int = 1000) -> list[Line]:
        """Give up to about `limit` lines after a position, in order; a gap is told by the first line behind it."""
        position, lines, ends = after or Position(), list[Line](), self._ends(run_id)
        while len(lines) < limit:
            entries = self._entries(run_id, position, count=max(1, limit // 50))
            if not entries:
                break
            fresh = list(contiguous(position, entries, ends))
            if not fresh:
                break
            lines += fresh
            position = fresh[-1].at
        return lines

    def wait(self, run_id: str, after: Position, milliseconds: int) -> None:
        """Block until there is a line after a position, or so long; the client's socket time-out must be longer."""
        key = self._keys.logs(run_id)
        self._scripts.ask(lambda client: client.xread({key: str(after)}, count=1, block=milliseconds))

    def size(self, run_id: str) -> int:
        """Count the bytes that a run's log takes."""
        known = self._scripts.ask(lambda client: client.hget(self._keys.log_sizes, run_id))
        return int(known.split()[0]) if known else 0

    def total(self) -> int:
        """Count the bytes of all logs."""
        return int(self._scripts.ask(lambda client: client.hget(self._keys.log_sizes, "total")) or 0)

    def drop(self, run_ids: Iterable[str], why: str) -> int:
        """Remove the logs of runs; `why` (one word) stays on the records of those that are still listed."""
        return int(self._scripts.call("drop_logs", runs=list(run_ids), why=why))

    def older_than(self, seconds: float, limit: int) -> list[str]:
        """Name runs whose logs have not grown for so long."""
        until = self._scripts.now_us() - seconds_to_us(seconds)
        found = self._scripts.ask(lambda client: client.zrangebyscore(self._keys.log_ages, "-inf", until, 0, limit))
        return [run_id.decode() for run_id in found]

    def _ends(self, run_id: str) -> dict[int, int]:
        """Give, for attempts whose end may be missing, the number of the last line that went."""
        known = self._scripts.ask(lambda client: client.hget(self._keys.log_sizes, run_id))
        pairs = (Position.parse(pair) for pair in known.decode().split()[3:]) if known else ()
        return {end.attempt: end.sequence for end in pairs}

    def _entries(self, run_id: str, after: Position, count: int) -> list[tuple[int, int, list[LogRecord]]]:
        key, start = self._keys.logs(run_id), f"({after}"
        raw = self._scripts.ask(lambda client: client.xrange(key, min=start, max="+", count=count))
        return [decoded(entry_id, fields) for entry_id, fields in raw]


def packed(first_seq: int, records: Sequence[LogRecord]) -> bytes:
    """Lines first_seq, first_seq + 1 … as Redis and an agent's disk hold them; raises what msgpack does."""
    rows = [record[:4] if record.logger is record.task is None else trimmed(record) for record in records]
    return bytes(msgpack.packb([first_seq, rows], unicode_errors="surrogatepass"))


def unpacked(batch: bytes) -> tuple[int, list[LogRecord]]:
    """The number of the first line, and the lines; raises BadPayload."""
    return batch_of(batch, "surrogatepass")


def batch_of(batch: bytes, text_errors: str) -> tuple[int, list[LogRecord]]:
    """The number of the first line, and the lines; raises BadPayload for what is no batch of ours."""
    value = from_msgpack(batch, most=2 * LARGEST_BATCH, longest=LARGEST_BATCH, text_errors=text_errors)
    first, rows = checked_row(value, (int, tuple), least=2)
    return first, [LogRecord(*checked_row(row, ROW, least=4)) for row in rows]


def trimmed(record: LogRecord) -> list[Any]:
    """A record as it is packed: nothing at its end that says nothing."""
    row = list(record)
    while row[-1] is None:
        row.pop()
    return row


def decoded(entry_id: bytes, fields: dict[bytes, bytes]) -> tuple[int, int, list[LogRecord]]:
    """Read one entry of the stream: attempt, first sequence number, records. One that is no batch becomes one line."""
    attempt, last = map(int, entry_id.split(b"-"))
    try:
        refuse_newer("a batch of lines", {name.decode("ascii", "replace"): fields[name] for name in fields}, LOG_BATCH)
        return attempt, *batch_of(fields.get(b"b", b""), "replace")
    except (BadPayload, NewerSchema) as problem:
        return attempt, last, [LogRecord(0, AGENT, WARNING, f"lines up to here can not be read: {problem}")]


def contiguous(
    after: Position, entries: Sequence[tuple[int, int, list[LogRecord]]], ends: Mapping[int, int]
) -> Iterator[Line]:
    """Give every line once and in order; where numbers are missing, the next line says how many.

    `ends`: attempt -> the last line of it that went, for attempts whose end may be missing.
    """
    for attempt, first, records in entries:
        for sequence, record in enumerate(records, first):
            at = Position(attempt=attempt, sequence=sequence)
            if at <= after:
                continue
            yield Line(at=at, record=record, missing=missing_between(after, at, ends))
            after = at


def missing_between(after: Position, at: Position, ends: Mapping[int, int]) -> int:
    """Count the lines that were written between two and are not there."""
    if at.attempt == after.attempt:
        return at.sequence - after.sequence - 1
    left = sum(end for attempt, end in ends.items() if after.attempt < attempt < at.attempt)
    return at.sequence - 1 + left + max(0, ends.get(after.attempt, 0) - after.sequence)
