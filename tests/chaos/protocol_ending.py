"""What both gears of the protocol chaos add to a history when all is quiet: lines, instants, where every run stands."""

from __future__ import annotations

from collections.abc import Iterator

from orchestrator.store import Store
from orchestrator.store.instants import instants_after, scheduled_id
from orchestrator.store.schedules import Skip
from tests.chaos.history import History, Record, ending


def complete(history: History, store: Store, scheduled: dict[str, int], until_us: int) -> None:
    """Add the records of the end; `scheduled` says since when each deployment's schedule counts (microseconds)."""
    end = ending(store.scripts.redis, store.scripts.prefix)
    for key in store.scripts.redis.scan_iter(match=store.keys.logs("*"), count=1000):
        history.records += log_records(store, key.decode().removeprefix(store.keys.logs("")))
    for deployment, since in scheduled.items():
        history.records += instant_records(store, deployment, since, until_us, end)
    history.records.append(end)


def log_records(store: Store, run: str) -> Iterator[Record]:
    """The numbers that each attempt wrote as its lines, in the order in which they are read."""
    attempts: dict[int, list[list[int]]] = {}
    gaps: dict[int, int] = {}
    for line in store.logs.read(run, limit=100_000):
        ranges, number = attempts.setdefault(line.at.attempt, []), int(line.record.text)
        gaps[line.at.attempt] = gaps.get(line.at.attempt, 0) + (line.missing > 0)
        if ranges and ranges[-1][1] + 1 == number:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    for attempt, ranges in attempts.items():
        yield {"kind": "log", "run": run, "attempt": attempt, "numbers": ranges, "marked_gaps": gaps[attempt]}


def instant_records(store: Store, deployment: str, since_us: int, until_us: int, end: Record) -> Iterator[Record]:
    """What was to happen at each instant, and what did."""
    record = store.deployments.get(deployment)
    assert record is not None
    for schedule in record.schedules:
        about = {"deployment": deployment, "schedule": schedule.slug}
        expected = {}
        for at in instants_after(schedule.text, since_us):
            if at > until_us:
                break
            expected[at] = scheduled_id(deployment, schedule.slug, at)
            yield {"kind": "expected_instant", **about, "at": at}
        made = {at for at, run in expected.items() if run in end["runs"]}
        yield from ({"kind": "instant", **about, "at": at, "run": expected[at]} for at in sorted(made))
        skips = [skip for skip in store.schedules.skips(deployment, 1000) if skip.slug == schedule.slug]
        yield from (
            {"kind": "instant", **about, "at": at, "skipped": why} for at, why in skipped(skips, [*expected], made)
        )


def skipped(skips: list[Skip], instants: list[int], made: set[int]) -> Iterator[tuple[int, str]]:
    """Each instant that ranges of skips mean, with the reason.

    A range says its first, its last and how many. One with fewer than lie between reaches over some that have a run, or
    stand in another range: those are not meant.
    """
    inside = [[at for at in instants if skip.first_us <= at <= skip.last_us] for skip in skips]
    known = set(made)
    for exact in (True, False):
        for skip, between in zip(skips, inside, strict=True):
            if (len(between) == skip.count) == exact:
                meant = between if exact else [at for at in between if at not in known]
                known.update(meant)
                yield from ((at, skip.reason) for at in meant)
