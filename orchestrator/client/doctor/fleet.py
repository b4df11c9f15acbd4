"""Who is at work: the scheduler that leads, the agents, their versions and their clocks; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from orchestrator.client.doctor.values import ExaminedAgent, ExaminedScheduler, Finding, Note, Problem
from orchestrator.client.views import seconds_text, utc_text
from orchestrator.errors import command
from orchestrator.store.leader import Leader
from queues.clock import SECOND_US, from_us
from queues.presence import Agent
from queues.server_look import SKEW_SECONDS

BEHIND_SECONDS = 15.0
START_SCHEDULER = "headgate scheduler start"


@dataclass(frozen=True, kw_only=True)
class Fleet:
    """What is known of it. The counts are of things that a scheduler should have dealt with by now."""

    now_us: int
    leader: Leader
    agents: Sequence[Agent]
    ended_leases: int
    overdue_runs: int
    overdue_schedules: int
    in_use: bool
    """Whether there is anything for a scheduler to do: agents, deployments, or runs that have not ended."""
    no_expiry_before_us: int
    reason: str
    """Why the recovery window was opened last."""


def findings(fleet: Fleet) -> Iterator[Finding]:
    """What is to be said of those at work."""
    yield from _scheduler(fleet)
    for agent in fleet.agents:
        yield from _agent(agent, fleet.now_us)
    yield from _versions(fleet.agents)


def _scheduler(fleet: Fleet) -> Iterator[Finding]:
    where, window_us = "scheduler", fleet.no_expiry_before_us - fleet.now_us
    if not fleet.leader.leads:
        beat = fleet.leader.beat_us
        since = f"the last was at work {ago(fleet.now_us, beat)}" if beat else "none has ever been at work here"
        kind = Problem if fleet.in_use else Note
        message = f"no scheduler is running: nothing comes due and no lost run is taken back; {since}"
        yield kind(code="no-scheduler", where=where, message=message, remedy=START_SCHEDULER)
        return
    if window_us > 0:
        message = f"no lease ends for {seconds_text(window_us)} more, because {fleet.reason or 'Redis returned'}"
        yield Note(code="recovery", where=where, message=message, remedy="headgate doctor")
        return
    behind = {
        "leases that ended are not taken back": fleet.ended_leases,
        "runs that are due are not on their queues": fleet.overdue_runs,
        "schedules that are due made no run": fleet.overdue_schedules,
    }
    for text, count in behind.items():
        if count:
            message = f"it leads and does not keep up: {count} {text}"
            yield Problem(code="scheduler-behind", where=_place(fleet.leader), message=message, remedy=START_SCHEDULER)


def _place(leader: Leader) -> str:
    return f"scheduler {leader.pid} on {leader.host}" if leader.host else "scheduler"


def _agent(agent: Agent, now_us: int) -> Iterator[Finding]:
    where = f"agent {agent.name} on {agent.identity.host}"
    listens = [word for queue in agent.queues for word in ("-q", queue)]
    if not agent.is_alive:
        message = f"it has not been heard of for {seconds_text(now_us - agent.seen_us)} and did not say goodbye"
        remedy = command("agent", "start", *listens, "--name", agent.name)
        yield Problem(code="agent-lost", where=where, message=message, remedy=remedy)
        return
    if "problem" in agent.info:
        remedy = "pip install --upgrade headgate"
        yield Problem(code="newer-agent", where=where, message=agent.info["problem"], remedy=remedy)
    if agent.state == "spool full":
        message = "the disk for the lines of its runs is full: it claims nothing"
        yield Problem(code="spool-full", where=where, message=message, remedy="df -h ${HEADGATE_HOME:-~/.headgate}")
    ahead = ahead_seconds(agent)
    if ahead is not None and abs(ahead) > SKEW_SECONDS:
        how = f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'}"
        message = f"its clock is {how} that of Redis; leases do not go by it, the times in its runs do"
        yield Problem(code="clock", where=where, message=message, remedy="timedatectl set-ntp true")


def _versions(agents: Sequence[Agent]) -> Iterator[Finding]:
    named: dict[str, list[str]] = {}
    for agent in agents:
        if agent.is_alive:
            named.setdefault(agent.info.get("version", "unknown"), []).append(agent.name)
    if len(named) > 1:
        groups = (f"{version} ({', '.join(names[:5])}{', …' * (len(names) > 5)})" for version, names in named.items())
        message = f"agents of {len(named)} versions are at work: {'; '.join(sorted(groups))}"
        yield Note(code="versions", where="agents", message=message, remedy="headgate agent ls")


def ago(now_us: int, then_us: int) -> str:
    """How long ago, and when."""
    return f"{seconds_text(now_us - then_us)} ago, at {utc_text(then_us)}"


def ahead_seconds(agent: Agent) -> float | None:
    """How far an agent's clock was ahead of that of Redis at its last heartbeat; None when it did not say."""
    return None if agent.clock_us is None else round((agent.clock_us - agent.seen_us) / SECOND_US, 1)


def examined_agent(agent: Agent) -> ExaminedAgent:
    """An agent as shown."""
    return ExaminedAgent(
        name=agent.name,
        host=agent.identity.host,
        state=agent.state,
        version=agent.info.get("version"),
        queues=agent.queues,
        running=agent.running,
        limit=agent.limit,
        last_heartbeat=from_us(agent.seen_us),
        ahead_seconds=ahead_seconds(agent),
    )


def examined_scheduler(leader: Leader) -> ExaminedScheduler:
    """The scheduler as shown."""
    return ExaminedScheduler(
        leads=leader.leads,
        host=leader.host,
        pid=leader.pid,
        since=from_us(leader.since_us) if leader.since_us else None,
        last_beat=from_us(leader.beat_us) if leader.beat_us else None,
    )
