"""After the last fault: everything is healed, everything comes to its end, and what is there then is noted."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from orchestrator.client import Client
from orchestrator.deployments import deployment_id
from orchestrator.store.instants import instants_after, scheduled_id
from orchestrator.store.schedules import Skip
from tests.chaos import roles
from tests.chaos.customer import Customer, flow_of
from tests.chaos.gone import Living, executions, overlaps
from tests.chaos.history import Record, ending
from tests.chaos.nemesis import Nemesis
from tests.chaos.world import FAILURES, PREFIX, SCHEDULED, World

T = TypeVar("T")
PRINTED = re.compile(r"line (\d+) (\d+)")


@dataclass
class Quiet:
    """How everything came to rest."""

    seconds: float = 0.0
    """From the last healing until every run had ended, nothing was held, and every agent was at work."""
    problems: list[str] = field(default_factory=list)
    """What is a violation whatever the history says."""
    ended_by_itself: int = 0
    """Roles that ended in order when they were asked to at the end."""


def settle(world: World, nemesis: Nemesis, customer: Customer, living: Living, *, within: float = 60.0) -> Quiet:
    """Heal, wait until all is quiet, and complete the history; what does not get quiet is a problem."""
    assert world.proxy is not None
    quiet = Quiet()
    nemesis.heal()
    world.proxy.heal()
    for role in world.roles.values():
        role.thaw()
        role.restart_at = min(role.restart_at, time.monotonic())
    began = time.monotonic()
    _operate(world, lambda: _undo_changes(world))
    _operate(world, lambda: _end_schedule(world))
    _finish(world, customer)
    while not (calm := _calm(world)) and time.monotonic() - began < within:
        world.keep_up_for(0.1)
    quiet.seconds = time.monotonic() - began
    if not calm:
        quiet.problems.append(f"not quiet {within:g} s after the last fault: {_unrest(world)}")
    left = _processes_left(world)
    _end_roles(world, quiet)
    living.stop()
    world.collector.stop()
    world.scene.update()
    _complete(world, living, len(left))
    quiet.problems += [f"attempt {attempt} of {run} met an earlier one" for run, attempt, _ in overlaps(world.folder)]
    quiet.problems += world.tracebacks()
    return quiet


def _operate(world: World, call: Callable[[], T]) -> T:
    """Make a call of the harness's own, until Redis answers."""
    until = time.monotonic() + 20
    while True:
        try:
            return call()
        except FAILURES:
            if time.monotonic() > until:
                raise
            world.keep_up_for(0.1)


def _undo_changes(world: World) -> None:
    for limit, number in world.limits().items():
        world.store.limits.set(limit, number, "chaos")
    for queue in world.store.queues.all():
        world.store.queues.resume(queue.name, "chaos")


def _end_schedule(world: World) -> None:
    """Wait until the scheduler has caught up, then pause the scheduled deployment."""
    healed_us = world.store.scripts.now_us()
    until = time.monotonic() + 20
    while _cursor(world) < healed_us and time.monotonic() < until:
        world.keep_up_for(0.1)
    Client(world.store, actor="chaos").pause_deployment(f"{flow_of(SCHEDULED)}/{SCHEDULED}")


def _cursor(world: World) -> int:
    """Up to where the instants of the scheduled deployment were dealt with."""
    record = world.store.deployments.get(deployment_id(flow_of(SCHEDULED), SCHEDULED))
    assert record is not None, "the scheduled deployment is gone"
    return record.schedules[0].cursor_us


def _finish(world: World, customer: Customer) -> None:
    customer.end()
    while customer.is_alive():
        world.keep_up_for(0.05)
    customer.finish(1.0)


def _calm(world: World) -> bool:
    world.scene.update()
    if world.scene.open or not all(role.is_up for role in world.roles.values()):
        return False
    if any(role.standing() == roles.STARTING for role in world.of("scheduler")):
        return False
    try:
        held = any(world.store.limits.holders(limit) for limit in world.limits())
        there = world.client.exists(world.store.keys.leases, world.store.keys.delayed)
        return not held and not there and world.serving() == world.agents
    except FAILURES:
        return False


def _unrest(world: World) -> str:
    states = [f"{run} {seen.state} at {seen.agent or seen.queue}" for run, seen in list(world.scene.runs.items())[:5]]
    down = [role.name for role in world.roles.values() if not role.is_up]
    return f"{world.scene.open} runs open {states}, down {down}, {world.serving()} agents at work\n{world.logs()}"


def _processes_left(world: World) -> list[int]:
    """Processes of flows that are still there although no run is: an agent is given 3 s to end the last ones."""
    until = time.monotonic() + 3.0
    while (left := roles.marked(world.folder, flows=True)) and time.monotonic() < until:
        world.keep_up_for(0.1)
    return left


def _end_roles(world: World, quiet: Quiet) -> None:
    for role in world.roles.values():
        role.wanted = False
        role.send(15, role.pid)
    until = time.monotonic() + 8.0
    for role in world.roles.values():
        while role.is_up and time.monotonic() < until:
            time.sleep(0.02)
        code = role.process.poll() if role.process else None
        quiet.ended_by_itself += code == 0
        if code != 0:
            quiet.problems.append(f"{role.name} was asked to end when idle, and ended with {code}\n{tail(role.log)}")


def tail(log: Path, most: int = 1500) -> str:
    """The end of a log."""
    return log.read_text(errors="replace")[-most:]


# -------------------------------------------------------------------- the rest of the history
def _complete(world: World, living: Living, left: int) -> None:
    history = world.history
    history.add("settings", grace=roles.GRACE, max_lost=50, retries=3)
    history.records += executions(world.folder, living.gone)
    end = ending(world.client, PREFIX, processes=left)
    history.records += list(_logs(world, end))
    history.records += list(_instants(world, end))
    history.records.append(end)


def _logs(world: World, end: Record) -> Iterator[Record]:
    """The numbers that each attempt printed, as they can be read."""
    for run in end["runs"]:
        numbers: dict[int, list[int]] = {}
        gaps: dict[int, int] = {}
        for line in world.store.logs.read(run, limit=100_000):
            attempt = line.at.attempt
            gaps[attempt] = gaps.get(attempt, 0) + (line.missing > 0)
            printed = PRINTED.match(line.record.text)
            if printed:
                numbers.setdefault(int(printed[1]), []).append(int(printed[2]))
        for attempt, found in numbers.items():
            marked = gaps.get(attempt, 0)
            yield {"kind": "log", "run": run, "attempt": attempt, "numbers": ranges(found), "marked_gaps": marked}


def ranges(numbers: list[int]) -> list[list[int]]:
    """Numbers as they come, with those that follow each other put together."""
    found: list[list[int]] = []
    for number in numbers:
        if found and found[-1][1] + 1 == number:
            found[-1][1] = number
        else:
            found.append([number, number])
    return found


def _instants(world: World, end: Record) -> Iterator[Record]:
    made = deployment_id(flow_of(SCHEDULED), SCHEDULED)
    record = world.store.deployments.get(made)
    assert record is not None and world.first_instant is not None
    schedule = record.schedules[0]
    about = {"deployment": made, "schedule": schedule.slug}
    ids: dict[int, str] = {}
    for at in instants_after(schedule.text, world.first_instant - 1):
        if at > schedule.cursor_us:
            break
        ids[at] = scheduled_id(made, schedule.slug, at)
        yield {"kind": "expected_instant", **about, "at": at}
    there = {at for at, run in ids.items() if run in end["runs"]}
    yield from ({"kind": "instant", **about, "at": at, "run": ids[at]} for at in sorted(there))
    skips = world.store.schedules.skips(made, 1000)
    for reason, instants in _skipped(skips, list(ids), there):
        yield from ({"kind": "instant", **about, "at": at, "skipped": reason} for at in instants)


def _skipped(skips: Sequence[Skip], instants: list[int], there: set[int]) -> Iterator[tuple[str, list[int]]]:
    """The instants that each range of skips means.

    A range names its first, its last and how many; one that was continued later, or that has runs in between, means
    those of its span that nothing else accounts for.
    """
    spans = [(skip, [at for at in instants if skip.first_us <= at <= skip.last_us]) for skip in skips]
    told = set(there)
    for skip, span in spans:
        if skip.count == len(span):
            told.update(span)
            yield skip.reason, span
    for skip, span in sorted(spans, key=lambda one: len(one[1])):
        if skip.count != len(span):
            meant = [at for at in span if at not in told]
            told.update(meant)
            yield skip.reason, meant
