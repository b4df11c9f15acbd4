"""What keeps agents from taking a due run: none listens, has its labels or its code, or has room; pure."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from orchestrator.client.explain_values import Scene
from orchestrator.client.queue_values import AgentInfo, Preparing
from orchestrator.client.values import Reason
from orchestrator.client.views import seconds_text
from orchestrator.errors import command
from orchestrator.store.runs import deployment_of
from queues.clock import SECOND_US, to_us
from queues.presence import LOST
from queues.records import Run
from queues.states import State

ALONE_SECONDS = 600
"""After so long without an agent that became empty a run that should be alone starts beside others (claim.lua)."""
MISSING = (" has no /", " can not run it: ")
"""What an agent says that gives a run back because its machine lacks the code, or the version to read it."""


def of_agents(scene: Scene) -> Iterator[Reason]:
    """What keeps every live agent from taking the run; nothing when one of them may."""
    queue = scene.run.queue
    if not scene.around.able(scene.run):
        yield no_labels(scene) if scene.around.listening(queue) else no_agent(scene)
        return
    live = scene.around.answering(scene.run)
    if not live:
        yield silent_agents(scene)
        return
    if scene.run.alone == "wanted" and (alone := to_be_alone(scene, live)):
        yield alone
    able = [agent for agent in live if agent.state == "running"]
    busy = {agent.name: one for agent in able for one in agent.preparing if one.deployment == deployment_of(scene.run)}
    have_code = [agent for agent in able if agent.name not in scene.no_code and agent.name not in busy]
    if any(agent.running < agent.limit for agent in have_code):
        return
    if busy:
        yield preparing(scene, busy)
    start = starting(scene.run)
    if lacking := {agent.name: scene.no_code[agent.name] for agent in able if agent.name in scene.no_code}:
        yield no_code(scene, lacking, alone=len(lacking) == len(live), start=start)
    if have_code:
        names = ", ".join(f"{agent.name} on {agent.host} ({agent.running} of {agent.limit})" for agent in have_code)
        text = f"every agent that can take it from {queue} runs as much as it may: {names}{served_before(scene)}"
        brief = "agents are full: " + ", ".join(f"{one.name} {one.running}/{one.limit}" for one in have_code)
        yield Reason(code="agents-full", text=text, brief=brief, command=start)
    if ending := [agent for agent in live if agent.state != "running"]:
        names = ", ".join(f"{agent.name} on {agent.host} ({agent.state})" for agent in ending)
        text = f"agents listen to {queue} and take nothing more: {names}"
        brief = "agents take nothing: " + ", ".join(f"{one.name} {one.state}" for one in ending)
        yield Reason(code="agents-closed", text=text, brief=brief, command=start)


def no_agent(scene: Scene) -> Reason:
    """No live agent listens; who did last, and when."""
    queue, last = scene.run.queue, scene.last_agent
    text = f"no live agent listens to {queue}"
    if last is not None:
        when = seconds_text(scene.around.now_us - last.at_us)
        text += f"; the last was {last.name} on {last.host}, " + ("which ended" if last.ended else "heard of")
        text += f" {when} ago" + (f", asked to {last.asked}" if last.asked else "")
    return Reason(code="no-agent", text=text, brief=f"no agent listens to {queue}", command=starting(scene.run))


def no_labels(scene: Scene) -> Reason:
    """Agents listen, and none has the labels that the run requires; who had them last, or has them elsewhere."""
    run, around = scene.run, scene.around
    have = [agent for agent in around.agents.values() if set(run.requires) <= set(agent.labels)]
    elsewhere = [agent.name for agent in have if agent.state != LOST]
    text = needing(run.requires)
    if elsewhere:
        text += f"; those that have it listen to other queues: {', '.join(elsewhere)}"
    elif gone := [agent for agent in have if run.queue in agent.queues]:
        last = max(gone, key=lambda agent: agent.last_heartbeat)
        text += f"; none is alive ({last.name} on {last.host} had it, {seconds_text(around.silence_us(last))} ago)"
    else:
        names = ", ".join(f"{one.name} ({' '.join(one.labels) or 'no label'})" for one in around.listening(run.queue))
        text += f"; those that listen to {run.queue} are {names}"
    details = {"requires": list(run.requires)}
    return Reason(code="no-labels", text=text, brief=needing(run.requires), command=starting(run), details=details)


def needing(requires: Sequence[str]) -> str:
    """What kind of agent a run needs."""
    return f"needs an agent with label{'s' * (len(requires) != 1)} {', '.join(requires)}"


def starting(run: Run) -> str:
    """The command that starts an agent which may take a run."""
    labels = chain.from_iterable(("--label", label) for label in run.requires)
    return command("agent", "start", "-q", run.queue, *labels)


def silent_agents(scene: Scene) -> Reason:
    """All agents that listen may be dead or cut off; each counts as lost when its leases have ended."""
    queue, around = scene.run.queue, scene.around
    silent = [(agent, seconds_text(around.silence_us(agent))) for agent in around.able(scene.run)]
    text = ", ".join(f"{agent.name} on {agent.host} for {since}" for agent, since in silent)
    text = f"no agent that listens to {queue} has been heard of: {text}; each may be dead or cut off"
    brief = "agents are silent: " + ", ".join(f"{agent.name} {since}" for agent, since in silent)
    return Reason(code="agents-silent", text=text, brief=brief, command=starting(scene.run))


def preparing(scene: Scene, busy: Mapping[str, Preparing]) -> Reason:
    """Agents that bring its code or environment onto their machines: what they do, since when."""
    now_us = scene.around.now_us
    told = {
        name: f"agent {name} is preparing its {one.part}: {one.what}, for {seconds_text(now_us - to_us(one.since))}"
        for name, one in busy.items()
    }
    first = next(iter(told))
    details = {"agents": {name: {"part": one.part, "what": one.what} for name, one in busy.items()}}
    look = command("agent", "inspect", first)
    return Reason(code="preparing", text="; ".join(told.values()), brief=told[first], command=look, details=details)


def no_code(scene: Scene, lacking: Mapping[str, str], *, alone: bool, start: str) -> Reason:
    """Agents that listen, and whose machines lack the code: which host, which path."""
    told = ", ".join(f"{said} (agent {name})" for name, said in lacking.items())
    who = "no agent that listens has the code" if alone else "some agents that listen lack the code"
    text = f"{who}: {told}; put it there, or start an agent where it is"
    details = {"path": scene.path, "agents": dict(lacking)}
    return Reason(code="no-code", text=text, brief=next(iter(lacking.values())), command=start, details=details)


def runs(count: int) -> str:
    """A number of runs in a sentence."""
    return "1 run" if count == 1 else f"{count:,} runs"


def served_before(scene: Scene) -> str:
    """The queues with waiting runs that the listening agents serve first."""
    around, own = scene.around, scene.queue
    names = {name for agent in around.able(scene.run) for name in agent.queues}
    first = [around.queues[name] for name in sorted(names) if name in around.queues]
    first = [one for one in first if own and one.priority < own.priority and one.queued and not one.paused]
    told = ", ".join(f"{one.name} (priority {one.priority}, {runs(one.queued)})" for one in first)
    return f"; served before it: {told}" if told else ""


def to_be_alone(scene: Scene, live: Sequence[AgentInfo]) -> Reason | None:
    """A run that was lost beside others waits for an agent that holds nothing; none such is there."""
    if any(agent.state == "running" and agent.running == 0 for agent in live):
        return None
    text = f"it was lost {scene.run.lost} times beside other runs: its last try is on an agent that runs nothing else"
    alone = scene.alone
    if alone is not None:
        left = alone.since_us + ALONE_SECONDS * SECOND_US - scene.around.now_us
        text += f"; agent {alone.agent} takes no other run until it is empty"
        text += f", and starts it beside others in {seconds_text(left)} at the latest"
    return Reason(code="alone", text=text, brief="waits for an agent that runs nothing else")


def missing_code(history: Sequence[Run]) -> dict[str, str]:
    """Agents that gave one of these runs back for want of its code, and have not started one since: what they said."""
    claimed = (run for run in history if run.attempt)  # the others have nothing to tell
    moves = sorted(((move.at_us, move) for run in claimed for move in run.history), key=lambda pair: pair[0])
    said: dict[str, str] = {}
    for _, move in moves:
        kind, _, agent = move.actor.partition(":")
        if kind != "agent":
            continue
        if move.state == State.QUEUED and any(part in move.reason for part in MISSING):
            said[agent] = move.reason
        elif move.state == State.RUNNING:
            said.pop(agent, None)
    return said
