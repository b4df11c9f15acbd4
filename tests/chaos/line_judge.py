"""Judges the log of one run whose flow printed numbered lines: gaps, doubles, mixtures, and what its agent kept."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.logs.shipping import read_back
from agent.logs.spool_file import HEAD, SpoolName
from orchestrator.store.installation import Store
from orchestrator.store.run_logs import STDOUT, Line, LogRecord

Attempt = tuple[str, int]
"""A run's id and the number of its attempt."""


@dataclass
class Judged:
    """What was wrong, in sentences, and how often each situation occurred."""

    wrong: list[str] = field(default_factory=list)
    occurred: Counter[str] = field(default_factory=Counter)


def lines_of(file: Path) -> Iterator[tuple[int, LogRecord]]:
    """The numbered lines of a spool file, as far as its frames are whole."""
    data = file.read_bytes()[len(HEAD) :]
    while (found := read_back(data, most=1)).size:
        yield from enumerate(found.records, found.first)
        data = data[found.size :]


def last_lines(folder: Path) -> dict[Attempt, int]:
    """The last line of each attempt in an agent's spool; files that another agent ships meanwhile are left out."""
    last: dict[Attempt, int] = {}
    for file in folder.iterdir():
        name = SpoolName.parse(file.name)
        if name is None:
            continue
        with suppress(FileNotFoundError):
            for number, _ in lines_of(file):
                last[name.run_id, name.attempt] = max(number, last.get((name.run_id, name.attempt), 0))
    return last


def judge(store: Store, run_id: str, count: int, spooled: Mapping[Attempt, int], kept: Path) -> Judged:
    """Judge the log of a completed run whose last attempt printed `count` lines.

    `spooled`: the last line that a killed agent had written of an attempt; `kept`: where agents keep what Redis cannot.
    """
    judged, run = Judged(), store.records.get(run_id)
    assert run is not None
    lines = store.logs.read(run_id, limit=1 << 30)
    judge_order(judged, run_id, lines)
    judge_ends(judged, run_id, lines, spooled)
    last = [line for line in lines if line.at.attempt == run.attempt]
    if run.fields.get("last_line") != f"{run.attempt}-{count}" or not last or last[-1].at.sequence != count:
        judged.wrong.append(f"{run_id}: ended with {last[-1].at if last else 'nothing'}, its record says otherwise")
    missing = set(range(1, count + 1)) - {line.at.sequence for line in last}
    judged.occurred["lines"] += count
    if missing:
        judge_kept(judged, run_id, run.attempt, missing, kept)
    if missing and "log_rest" not in run.fields:
        judged.wrong.append(f"{run_id}: the record does not say where {len(missing)} lines are")
    return judged


def judge_order(judged: Judged, run_id: str, lines: list[Line]) -> None:
    """Every line once, in order, under its own number, and from the one process of its attempt."""
    before = None
    processes = defaultdict[int, set[str]](set)
    for line in lines:
        if before is not None and line.at <= before.at:
            judged.wrong.append(f"{run_id}: {line.at} comes after {before.at}")
        jump = before is not None and line.at.attempt == before.at.attempt and line.at.sequence - before.at.sequence - 1
        if jump and line.missing != jump:
            judged.wrong.append(f"{run_id}: {jump} lines before {line.at} are missing, {line.missing} are marked")
        judged.occurred["gaps, each marked"] += bool(line.missing)
        before = line
        if line.record.source == STDOUT:
            process, number, *_ = line.record.text.split()
            processes[line.at.attempt].add(process)
            if number != str(line.at.sequence):
                judged.wrong.append(f"{run_id}: line {line.at} says that it is line {number}")
    judged.wrong += [f"{run_id}: attempt {one} has lines of {many}" for one, many in processes.items() if len(many) > 1]


def judge_ends(judged: Judged, run_id: str, lines: list[Line], spooled: Mapping[Attempt, int]) -> None:
    """Everything that a killed agent had written is there, or marked as missing."""
    attempts = sorted({line.at.attempt for line in lines} | {attempt for run, attempt in spooled if run == run_id})
    for attempt in attempts:
        wanted = spooled.get((run_id, attempt))
        if wanted is None:
            continue
        there = [line.at.sequence for line in lines if line.at.attempt == attempt]
        following = next((line for line in lines if line.at.attempt > attempt), None)
        # What is missing before the first line of a later attempt, its own beginning apart, is the end of earlier ones.
        marked = following.missing - following.at.sequence + 1 if following is not None else 0
        judged.occurred["ends of killed attempts"] += 1
        if (there[-1] if there else 0) + marked < wanted:
            end = there[-1] if there else 0
            judged.wrong.append(f"{run_id}: attempt {attempt} was written up to {wanted}, {end} and {marked} are there")


def judge_kept(judged: Judged, run_id: str, attempt: int, missing: set[int], kept: Path) -> None:
    """What is missing of the last attempt stands in files that its agent kept."""
    for file in kept.glob(f"{run_id}.{attempt}.*"):
        judged.occurred["kept files"] += 1
        for number, record in lines_of(file):
            missing.discard(number)
            if record.text.split()[1] != str(number):
                judged.wrong.append(f"{run_id}: line {number} of {file.name} is another")
    if missing:
        judged.wrong.append(f"{run_id}: {len(missing)} lines are neither in Redis nor kept, from {min(missing)} on")
