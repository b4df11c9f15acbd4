"""What happened while a harness ran, as a list of plain records: written by every harness, judged by the checker.

A record is a dict with a `kind`; saved, it is one line of JSON. Times: `at` is microseconds of Redis, `mono` seconds of
CLOCK_MONOTONIC, which all processes of a machine share.

move    one entry of the event stream: id run at from to name queue actor reason attempt token agent held  (Collector)
change  one entry of the operators' changes: id at actor subject field old new  (Collector)
ack     a call whose answer arrived: client verb sent answered (mono) runs answer request durable; resent (how often
        it was sent before), token; of claim and renew tokens (run -> token) and until (when these leases
        end, microseconds of Redis); of a create due max_lost retries
answer  what one sending of a claim took, whether anybody heard it or not: client request tokens mono
sent    that an agent is about to end a run, for the first time with this claim: client verb run token mono
late    a copy of a call that arrived after the call had been answered, or given up: answer mono
flow    what its process wrote: run attempt token what (start, stop; gone: seen dead) mono pid  (flow_records)
log     what is readable at the end: run attempt numbers ([[first, last], …]) marked_gaps
fault   what was done to the processes: what mono detail  (History.fault)
cut     the moves from `id` on and up to `until` are undone: id until changes mono  (Collector.cut)
instant, expected_instant   what became of an instant, what should: deployment schedule at run|skipped
end     how it looks when all is quiet: at runs places holders processes repaired (kind -> count)  (ending)
settings  what holds for the whole history: lease grace (seconds) max_lost retries
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import redis as redis_py

Record = dict[str, Any]
BITE = 5_000
"""Entries that one read of a stream takes."""


class History:
    """Records in the order in which they were noted; threads may add at the same time."""

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.records: list[Record] = list(records)

    def add(self, kind: str, **fields: Any) -> None:
        """Note one record."""
        self.records.append({"kind": kind, **fields})

    def fault(self, what: str, **detail: Any) -> None:
        """Note what was just done to a process, with the time."""
        self.add("fault", what=what, mono=time.monotonic(), detail=detail)

    def of(self, kind: str) -> list[Record]:
        """All records of a kind, in order."""
        return [record for record in self.records if record["kind"] == kind]

    def save(self, path: Path) -> None:
        """Write one line of JSON per record."""
        path.write_text("".join(json.dumps(record) + "\n" for record in list(self.records)))

    @classmethod
    def load(cls, path: Path) -> History:
        """Read what `save` wrote."""
        return cls(json.loads(line) for line in path.read_text().splitlines())


def position(stream_id: str) -> tuple[int, int]:
    """A stream id as a pair that sorts; `<milliseconds>` alone stands before every entry of that millisecond."""
    milliseconds, _, number = stream_id.partition("-")
    return int(milliseconds), int(number or 0)


class Collector:
    """Copies the event stream and the operators' changes into a history while a harness runs.

    The stream is trimmed at about 20,000 entries, so it has to be read meanwhile: `start` does so in a thread until
    `stop`, or the harness calls `collect` now and then. Redis may be killed, frozen and restarted as one likes.
    """

    def __init__(self, history: History, client: redis_py.Redis, prefix: str = "{headgate}") -> None:
        self._history = history
        self._client = client
        self._prefix = prefix
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.last = {"events": "0-0", "changes": "0-0"}
        """The last id that was read of each stream."""

    def start(self, every: float = 0.2) -> Collector:
        """Collect in a thread; while Redis is away, nothing is."""

        def work() -> None:
            while not self._stop.wait(every):
                with contextlib.suppress(redis_py.RedisError):
                    self.collect()

        self._thread = threading.Thread(target=work, name="collector", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """End the thread, and collect what is left; raises RedisError when Redis does not answer."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(30)
        self.collect()

    def collect(self) -> int:
        """Read what is new and give how many entries there were; raises RedisError, and then nothing is lost."""
        with self._lock:
            return self._copy("events", _move) + self._copy("changes", _change)

    def cut(self, killed_at: float) -> str:
        """Note that a Redis, killed at `killed_at` (time.time() right after), came back without the tail of its file.

        Call it once the server answers again. Gives the last id that survived.
        """
        until = str(int(killed_at * 1000) + 1)
        kept = {}
        for stream in self.last:
            found: Any = self._client.xrevrange(f"{self._prefix}:{stream}", until, "-", count=1)
            kept[stream] = found[0][0].decode() if found else "0-0"
        self._history.add("cut", id=kept["events"], until=until, changes=kept["changes"], mono=time.monotonic())
        return kept["events"]

    def _copy(self, stream: str, record_of: Callable[[str, dict[str, str]], Record]) -> int:
        key, count = f"{self._prefix}:{stream}", 0
        first: Any = self._client.xrange(key, count=1)
        if first and self.last[stream] != "0-0" and position(first[0][0].decode()) > position(self.last[stream]):
            raise AssertionError(
                f"{key} begins with {first[0][0]!r} by now, it had been read up to {self.last[stream]}"
            )
        while entries := self._client.xrange(key, min=f"({self.last[stream]}", count=BITE):
            for entry_id, fields in entries:
                texts = {name.decode(): value.decode(errors="replace") for name, value in fields.items()}
                self._history.records.append(record_of(entry_id.decode(), texts))
            self.last[stream], count = entry_id.decode(), count + len(entries)
        return count


def _move(entry_id: str, fields: dict[str, str]) -> Record:
    numbers = {name: int(fields[name]) for name in ("at", "attempt", "token")}
    return {"kind": "move", "id": entry_id, **fields, **numbers, "held": fields["held"].splitlines()}


def _change(entry_id: str, fields: dict[str, str]) -> Record:
    return {"kind": "change", "id": entry_id, **fields, "at": int(fields["at"])}


def history_of(client: redis_py.Redis, prefix: str = "{headgate}") -> History:
    """What the streams of Redis still tell, and how it stands now; for tests that make fewer moves than are kept."""
    history = History()
    Collector(history, client, prefix).collect()
    history.records.append(ending(client, prefix))
    return history


def flow_line(what: str, run: str, attempt: int, token: int, pid: int) -> str:
    """The line that a flow appends, with one write, when it starts (`what` start) and when it ends (stop)."""
    return f"{what} {run} {attempt} {token} {time.monotonic():.6f} {pid}\n"


def flow_records(folder: Path) -> list[Record]:
    """What the flows wrote into the files of a folder, by time. A token of 0 means that the flow does not know it."""
    found: list[Record] = []
    for file in sorted(folder.iterdir()):
        for line in file.read_text().splitlines():
            what, run, attempt, token, mono, pid = line.split()
            known = {"token": int(token)} if token != "0" else {}
            record = {"kind": "flow", "run": run, "attempt": int(attempt), "what": what, "mono": float(mono)}
            found.append({**record, **known, "pid": int(pid)})
    return sorted(found, key=lambda record: record["mono"])


def ending(client: redis_py.Redis, prefix: str = "{headgate}", *, processes: int = 0) -> Record:
    """The record `end`: states of all runs, their places, who holds slots; `processes`: of flows, still there."""

    def names(pattern: str) -> list[str]:
        return sorted(key.decode() for key in client.scan_iter(match=f"{prefix}:{pattern}", count=1000))

    ids = [key.removeprefix(f"{prefix}:run:") for key in names("run:*")]
    pipe = client.pipeline(transaction=False)
    fields = ("state", "token", "queue", "attempt", "lost", "max_lost")
    for run in ids:
        pipe.hmget(f"{prefix}:run:{run}", fields)
    rows = [[value.decode() if value else "" for value in row] for row in pipe.execute()]
    places: dict[str, list[str]] = {}
    for key in [*names("waiting:*"), *names("parked:*|*"), f"{prefix}:delayed", f"{prefix}:leases"]:
        for member in client.zrange(key, 0, -1):
            places.setdefault(member.decode(), []).append(key.removeprefix(f"{prefix}:"))
    holders: dict[str, list[str]] = {}
    for key in names("holders:*"):
        members: Any = client.zrange(key, 0, -1)
        holders[key.removeprefix(f"{prefix}:holders:")] = [member.decode() for member in members]
    counted = {name.decode(): int(count) for name, count in client.hgetall(f"{prefix}:counters").items()}
    seconds, micros = client.time()
    runs = {run: dict(zip(fields, row, strict=True)) for run, row in zip(ids, rows, strict=True)}
    at = int(seconds) * 1_000_000 + int(micros)
    repaired = {
        name.removeprefix("repaired_"): count for name, count in counted.items() if name.startswith("repaired_")
    }
    there = {"runs": runs, "places": places, "holders": holders, "processes": processes, "repaired": repaired}
    return {"kind": "end", "at": at, **there}
