"""What keeps a due run from being claimed, in the order in which to act on it; pure."""

from collections.abc import Iterator, Sequence

from orchestrator.client.explain_agents import of_agents, runs
from orchestrator.client.explain_values import SILENT_US, Around, Scene
from orchestrator.client.values import Reason, SlotHolder
from orchestrator.client.views import seconds_text
from orchestrator.errors import command
from orchestrator.store.runs import deployment_of
from queues.clock import SECOND_US, to_us
from queues.keys import queue_limit
from queues.records import Run

STARTS_WITHIN_US = 5 * SECOND_US
"""A startable run that waits for longer than this, with a free agent there, is something to look into."""
HOLDERS_NAMED = 3


def waiting(scene: Scene) -> Iterator[Reason]:
    """Every obstacle of a due run; that it starts, when there is none."""
    queue = scene.queue
    if queue is None:
        text = f"its work queue {scene.run.queue} does not exist"
        yield Reason(
            code="no-queue",
            text=text,
            brief=f"work queue {scene.run.queue} does not exist",
            command=command("work-queue", "create", scene.run.queue),
        )
        return
    limits, agents = list(of_limits(scene)), list(of_agents(scene))
    # Slots come free by themselves, agents do not.
    of_this_run = [*limits, *agents] if scene.around.listening(queue.name) else [*agents, *limits]
    yield from [*of_installation(scene), *of_this_run] or [startable(scene)]


def of_installation(scene: Scene) -> Iterator[Reason]:
    """What holds a whole queue up: its pause switch, a newer version, a Redis that has just returned."""
    around, queue = scene.around, scene.queue
    if queue is None:
        return
    if queue.problem:
        yield Reason(code="newer-schema", text=queue.problem, brief=queue.problem)
    if around.hold_us > 0:
        text = f"Redis has just returned: for {seconds_text(around.hold_us)} no run starts, so that none runs twice"
        yield Reason(code="recovery", text=text, brief="Redis has just returned")
    if queue.paused:
        text, by = f"work queue {queue.name} is paused", scene.paused_by
        if by is not None:
            text += f", by {by.who} {seconds_text(around.now_us - to_us(by.at))} ago"
        resume = command("work-queue", "resume", queue.name)
        yield Reason(code="queue-paused", text=text, brief=f"work queue {queue.name} is paused", command=resume)


# ------------------------------------------------------------------- limits
def limits_in_order(run: Run, around: Around) -> list[str]:
    """The limit the run is parked under, then the others that are full, the queue's own first."""
    first = [run.parked] if run.parked is not None else []
    return first + [one for one in (queue_limit(run.queue), *run.limits) if around.is_full(one) and one not in first]


def of_limits(scene: Scene) -> Iterator[Reason]:
    """The full limits, and those of their holders that may never give their slots back by themselves."""
    limits = limits_in_order(scene.run, scene.around)
    yield from (limit_reason(scene, limit, named=limit == limits[0]) for limit in limits)
    yield from silent_holders(scene)


def limit_reason(scene: Scene, limit: str, *, named: bool) -> Reason:
    """A full limit: how many slots, who holds them on which host since when, how many runs wait before this one."""
    number, held = scene.around.numbers.get(limit), scene.around.held.get(limit, 0)
    what = in_words(limit, scene.run)
    text, brief = taken(what, number, held), f"{what} is full ({held}/{number})"
    if number is None or held < number:
        brief = f"returns to its queue: {what} has room"
        text = f"it waited for a slot of {what}, which has room again: it returns to its queue"
    elif named and scene.holders:
        text += f", by {named_holders(scene.around, scene.holders, held)}"
    waits_here = named and (limit == scene.run.parked or (scene.run.parked is None and limit.startswith("queue:")))
    if waits_here and scene.ahead:
        brief, text = f"{brief}, {runs(scene.ahead)} before it", f"{text}; {runs(scene.ahead)} in line before it"
    details = {"limit": limit, "slots": number, "held": held, "ahead": scene.ahead if waits_here else None}
    advice, raised_by = raising(scene, limit, number or held)
    return Reason(code="limit-full", text=text + advice, brief=brief, command=raised_by, details=details)


def taken(what: str, number: int | None, held: int) -> str:
    """How full a limit is."""
    if number is not None and held > number:
        return f"{held} runs hold slots of {what}, allowed are {number}"
    return f"the only slot of {what} is taken" if number == 1 else f"all {number} slots of {what} are taken"


def in_words(limit: str, run: Run) -> str:
    """What people call a limit."""
    kind, _, name = limit.partition(":")
    if kind == "deployment":
        return f"deployment {deployment_of(run)}"
    return f"work queue {name}" if kind == "queue" else f"{kind} {name}"


def named_holders(around: Around, holders: Sequence[SlotHolder], held: int) -> str:
    """Who holds slots, on which host, since when; the oldest first."""
    told = [
        one.name
        + (f" on {one.host}" if one.host else f" of agent {one.agent}" if one.agent else "")
        + f" for {seconds_text(around.now_us - to_us(one.since))}"
        for one in holders[:HOLDERS_NAMED]
    ]
    more = held - len(told)
    return ", ".join(told) + (f" and {more:,} more" if more > 0 else "")


def raising(scene: Scene, limit: str, number: int) -> tuple[str, str | None]:
    """How one more run is let in: what to do before, and the command."""
    kind, _, name = limit.partition(":")
    if kind == "queue":
        return "", command("work-queue", "set-concurrency-limit", name, number + 1)
    if kind == "tag":
        return "", command("concurrency-limit", "create", name, number + 1)
    if kind == "deployment" and scene.path:
        return "; a higher concurrency_limit in its file changes that", command("deployment", "create", scene.path)
    return "", None


def silent_holders(scene: Scene) -> Iterator[Reason]:
    """Holders whose agents may be dead: their slots come back when their leases end."""
    around = scene.around
    silent: dict[str, list[str]] = {}
    for holder in scene.holders:
        agent = around.agents.get(holder.agent or "")
        if holder.agent and (agent is None or around.silence_us(agent) > SILENT_US):
            silent.setdefault(holder.agent, []).append(holder.name)
    for name, held in silent.items():
        agent = around.agents.get(name)
        heard = f"was heard of {seconds_text(around.silence_us(agent))} ago" if agent else "is not known any more"
        text = f"agent {name}, which holds slots for {', '.join(held[:HOLDERS_NAMED])}, {heard}: they come free when"
        yield Reason(
            code="holder-silent",
            text=f"{text} its leases end, unless it comes back",
            brief=f"agent {name}, which holds slots, is silent",
            command=command("agent", "inspect", name) if agent else command("agent", "ls"),
        )
    if silent and not around.leader.leads:
        yield no_scheduler(around, "no scheduler is running, which frees the slots of lost agents")


def no_scheduler(around: Around, text: str) -> Reason:
    """No scheduler does what the run waits for; when one was there last."""
    leader = around.leader
    if leader.beat_us is not None:
        on = f" on {leader.host}" if leader.host else ""
        text += f"; the last one{on} was at work {seconds_text(around.now_us - leader.beat_us)} ago"
    return Reason(code="no-scheduler", text=text, brief="no scheduler is running", command="headgate scheduler start")


def startable(scene: Scene) -> Reason:
    """Nothing is in its way but the runs before it."""
    live = scene.around.answering(scene.run)
    names = ", ".join(f"{agent.name} on {agent.host}" for agent in live)
    since = scene.around.now_us - max(scene.run.due_us, scene.run.created_us)
    if scene.ahead:
        text = f"it is next after {runs(scene.ahead)} of {scene.run.queue}; agents: {names}"
        return Reason(code="in-line", text=text, brief=f"{runs(scene.ahead)} before it")
    if since > STARTS_WITHIN_US:
        text = f"nothing is in its way, and still no agent took it for {seconds_text(since)}; agents: {names}"
        brief = f"free to start, and not taken for {seconds_text(since)}"
        inspect = command("agent", "inspect", live[0].name)
        return Reason(code="not-taken", text=text, brief=brief, command=inspect)
    text = f"nothing is in its way: it starts at once on one of {names}"
    return Reason(code="starting", text=text, brief="starts at once")
