"""What waits, and whether anything can ever start it: work queues, limits, deployments; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestrator.client.doctor.fleet import ago
from orchestrator.client.doctor.values import Finding, Note, Problem
from orchestrator.client.views import seconds_text
from orchestrator.errors import command, shown
from orchestrator.store.deployments import DeploymentRecord
from queues.keys import queue_limit
from queues.limits import LARGEST
from queues.presence import Agent
from queues.work_queue import Line, WorkQueue

STARTS_WITHIN_US = 5_000_000
"""A run that could start and has been waiting for longer beyond being late is something to look into."""


@dataclass(frozen=True, kw_only=True)
class Lines:
    """What is known of them. `standing` has, per queue, its lines: what requires the same labels stands in one."""

    now_us: int
    late_us: int
    queues: Sequence[WorkQueue]
    agents: Sequence[Agent]
    standing: Mapping[str, Sequence[Line]]
    limits: Mapping[str, str]
    """Limits as they stand in Redis: whatever a stranger wrote there is among them."""
    deployments: Sequence[DeploymentRecord]


def findings(lines: Lines) -> Iterator[Finding]:
    """What is to be said of what waits."""
    for queue in lines.queues:
        yield from _queue(lines, queue)
    for limit, number in sorted(lines.limits.items()):
        if not (number.isascii() and number.isdecimal() and 1 <= int(number[:9]) <= LARGEST):
            yield _impossible(limit, number)
    for deployment in lines.deployments:
        yield from _deployment(lines, deployment)


def _queue(lines: Lines, queue: WorkQueue) -> Iterator[Finding]:
    where, waits = f"work queue {queue.name}", runs(queue.queued)
    if queue.problem:
        remedy = "pip install --upgrade headgate"
        yield Problem(code="newer-queue", where=where, message=queue.problem, remedy=remedy)
    if not queue.queued:
        return
    if queue.paused:
        message = f"it is paused, and {waits} on it"
        remedy = command("work-queue", "resume", queue.name)
        yield Note(code="paused-queue", where=where, message=message, remedy=remedy)
        return
    listening = [agent for agent in lines.agents if queue.name in agent.queues]
    serving = [agent for agent in listening if agent.state == "running"]
    if not serving:
        yield _unserved(lines, queue, listening)
        return
    able = [line for line in lines.standing.get(queue.name, ()) if any(fits(line, agent) for agent in serving)]
    for line in lines.standing.get(queue.name, ()):
        if line not in able:
            yield _unlabelled(queue, line)
    if not queue.late:
        return
    first = min((line.first for line in able), key=lambda run: run.due_us, default=None)
    if queue.concurrency_limit is not None and queue.running >= queue.concurrency_limit:
        message = f"{queue.late} of the runs that wait on it are late: its slots ({queue.concurrency_limit}) are taken"
        remedy = command("work-queue", "slots", queue.name)
        yield Note(code="late-runs", where=where, message=message, remedy=remedy)
    elif all(agent.running >= agent.limit for agent in serving):
        message = f"{queue.late} of the runs that wait on it are late: its agents run as much as they may"
        remedy = command("agent", "start", "-q", queue.name)
        yield Note(code="late-runs", where=where, message=message, remedy=remedy)
    elif first is not None and lines.now_us - first.due_us > lines.late_us + STARTS_WITHIN_US:
        since = seconds_text(lines.now_us - first.due_us)
        message = (
            f"{queue.late} of its runs are late though slots and agents are free; the first has waited for {since}"
        )
        remedy = command("flow-run", "explain", first.run_id)
        yield Problem(code="late-runs", where=where, message=message, remedy=remedy)
    else:
        message = f"{queue.late} of the runs that wait on it are late behind limits that are full"
        yield Note(code="late-runs", where=where, message=message, remedy=command("work-queue", "preview", queue.name))


def _unserved(lines: Lines, queue: WorkQueue, listening: Sequence[Agent]) -> Finding:
    living = [agent for agent in listening if agent.is_alive]
    message = f"{runs(queue.queued)} on it and no live agent listens to it"
    if living:
        states = ", ".join(f"{agent.name} is {agent.state}" for agent in living[:3])
        message = f"{runs(queue.queued)} on it and no agent takes them: {states}"
    elif listening:
        last = max(listening, key=lambda agent: agent.seen_us)
        when = ago(lines.now_us, last.seen_us)
        message += f"; {last.name} on {last.identity.host} did, and was heard of last {when}"
    remedy = command("agent", "start", "-q", queue.name)
    return Problem(code="unserved-queue", where=f"work queue {queue.name}", message=message, remedy=remedy)


def fits(line: Line, agent: Agent) -> bool:
    """Whether an agent has the labels to take from a line."""
    return set(line.requires) <= set(agent.labels)


def _unlabelled(queue: WorkQueue, line: Line) -> Finding:
    message = f"{runs(line.count)} on it for {needed(line.requires)}, and no live agent that listens has that"
    remedy = " ".join([f"headgate agent start -q {queue.name}", *(f"--label {label}" for label in line.requires)])
    return Problem(code="unserved-labels", where=f"work queue {queue.name}", message=message, remedy=remedy)


def needed(requires: Sequence[str]) -> str:
    """What kind of agent a line is for."""
    return f"an agent with label{'s' * (len(requires) != 1)} {', '.join(requires)}"


def _impossible(limit: str, number: str) -> Finding:
    kind, _, name = limit.partition(":")
    commands = {
        "queue": command("work-queue", "set-concurrency-limit", name, 1),
        "deployment": command("deployment", "inspect", name),
        "tag": command("concurrency-limit", "create", name, 1),
    }
    message = f"expected it to be 1 to {LARGEST}, got {shown(number)}: runs that need it can not start"
    remedy = commands.get(kind, "headgate work-queue ls")
    return Problem(code="impossible-limit", where=f"limit {limit}", message=message, remedy=remedy)


def _deployment(lines: Lines, deployment: DeploymentRecord) -> Iterator[Finding]:
    where = f"deployment {deployment.name}"
    if deployment.problem is not None:
        remedy = command("deployment", "inspect", deployment.name)
        yield Problem(code="unreadable", where=where, message=str(deployment.problem), remedy=remedy)
        return
    queue = str(deployment.spec["work_queue"])
    if queue not in {known.name for known in lines.queues}:
        message = f"its runs go to the work queue {shown(queue)}, which does not exist"
        remedy = command("work-queue", "create", queue)
        yield Problem(code="no-queue", where=where, message=message, remedy=remedy)
    own, most = deployment.spec.get("concurrency_limit"), lines.limits.get(queue_limit(queue), "")
    if own is not None and most.isdecimal() and own > int(most):
        message = f"{own} of its runs may execute at once, and only {most} of its work queue {queue}"
        remedy = command("work-queue", "set-concurrency-limit", queue, own)
        yield Note(code="limit-above-queue", where=where, message=message, remedy=remedy)


def runs(count: int) -> str:
    """A number of runs that wait, in a sentence."""
    return "1 run waits" if count == 1 else f"{count:,} runs wait"
