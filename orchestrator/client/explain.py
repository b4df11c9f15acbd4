"""Why a run is not running: from what stands in Redis to reasons, each with the command that changes it; pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from orchestrator.client.queue_values import AgentInfo
from orchestrator.client.values import Explanation, Reason, SlotHolder
from orchestrator.client.views import seconds_text, shown_state, utc_text
from queues.clock import SECOND_US
from queues.records import Run
from queues.states import TERMINAL, State
from queues.work_queue import WorkQueue

STARTS_WITHIN_US = 5 * SECOND_US
"""A startable run that waits for longer than this, with a free agent there, is something to look into."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What the explanation is made from. `holders` are those of the limit that keeps the run from starting."""

    run: Run
    name: str
    now_us: int
    late_us: int
    queue: WorkQueue | None
    numbers: Mapping[str, int]  # the limits of the run, its queue's included, that have a number
    held: Mapping[str, int]  # how many runs hold a slot of them
    holders: tuple[SlotHolder, ...]
    ahead: int  # runs of the queue that are due earlier and wait too
    agents: tuple[AgentInfo, ...]  # live agents that listen to the queue
    last_agent: AgentInfo | None  # the one heard of last, when none is live
    scheduler_leads: bool
    hold_us: int  # for so long no run is given out: Redis has just returned

    @property
    def full(self) -> tuple[str, ...]:
        """The limits without a free slot, the queue's own first."""
        return tuple(limit for limit, number in self.numbers.items() if self.held.get(limit, 0) >= number)


def blocking_limit(run: Run, numbers: Mapping[str, int], held: Mapping[str, int]) -> str | None:
    """The limit to name first: the one the run is parked under, else the first that is full."""
    if run.parked is not None:
        return run.parked
    return next((limit for limit, number in numbers.items() if held.get(limit, 0) >= number), None)


def explain(scene: Scene) -> Explanation:
    """Say why the run is not running; the first reason is the one to act on."""
    reasons = tuple(reasons_of(scene))
    return Explanation(
        id=scene.run.id,
        name=scene.name,
        state=scene.run.state.value,
        state_name=shown_state(scene.run, scene.now_us, scene.late_us),
        summary=reasons[0].text,
        reasons=reasons,
        holders=scene.holders,
    )


def reasons_of(scene: Scene) -> Iterator[Reason]:
    """The reasons by state; a record that can not be relied on comes first."""
    state = scene.run.state
    if scene.run.problem:
        yield Reason(code="unreadable", text=scene.run.problem)
    if state in TERMINAL:
        yield ended(scene)
    elif state == State.SCHEDULED:
        yield from delayed(scene)
    elif state == State.QUEUED:
        found = list(waiting(scene))
        yield from found or [startable(scene)]
        yield from history_of(scene)
    else:
        yield in_hand(scene)


def ended(scene: Scene) -> Reason:
    """A run that is over does not run again; a retry is a new run."""
    run = scene.run
    why = f": {run.reason}" if run.reason else ""
    text = f"it ended {run.state.value} at {utc_text(run.ended_us or scene.now_us)}{why}"
    command = None if run.state == State.COMPLETED else f"headgate flow-run retry {run.id}"
    return Reason(code="ended", text=text, command=command)


def delayed(scene: Scene) -> Iterator[Reason]:
    """Not due yet; or due, and no scheduler is there to put it on its queue."""
    run, wait = scene.run, scene.run.due_us - scene.now_us
    if wait <= 0 and not scene.scheduler_leads:
        text = f"it has been due for {seconds_text(-wait)} and no scheduler is running to put it on its queue"
        yield Reason(code="no-scheduler", text=text, command="headgate scheduler start")
        return
    if wait <= 0:
        yield Reason(code="due-now", text="it is due now and goes to its queue at the scheduler's next pass")
        return
    kind = "the next try of a failed run" if run.failures else "it"
    text = f"{kind} is due at {utc_text(run.due_us)}, in {seconds_text(wait)}"
    yield Reason(code="not-due", text=text, details={"due_in_seconds": wait / SECOND_US})
    if not scene.scheduler_leads:
        text = "no scheduler is running, which would put it on its queue then"
        yield Reason(code="no-scheduler", text=text, command="headgate scheduler start")


def waiting(scene: Scene) -> Iterator[Reason]:
    """What keeps a due run from being claimed."""
    run = scene.run
    if scene.queue is None:
        command = f"headgate work-queue create {run.queue}"
        yield Reason(code="no-queue", text=f"its work queue {run.queue} does not exist", command=command)
        return
    if scene.hold_us > 0:
        text = f"Redis has just returned: for {seconds_text(scene.hold_us)} no run starts, so that none runs twice"
        yield Reason(code="recovery", text=text)
    if scene.queue.paused:
        command = f"headgate work-queue resume {run.queue}"
        yield Reason(code="queue-paused", text=f"work queue {run.queue} is paused", command=command)
    yield from (limit_reason(scene, limit) for limit in limits_in_order(scene))
    if not scene.agents:
        yield no_agent(scene)
    elif all(agent.running >= agent.limit for agent in scene.agents):
        names = ", ".join(f"{agent.name} ({agent.running} of {agent.limit})" for agent in scene.agents)
        text = f"every agent that listens to {run.queue} runs as much as it may: {names}"
        yield Reason(code="agents-full", text=text, command=f"headgate agent start -q {run.queue}")


def limits_in_order(scene: Scene) -> list[str]:
    """The limit the run is parked under, then the others that are full."""
    first = [scene.run.parked] if scene.run.parked else []
    return [*first, *(limit for limit in scene.full if limit not in first)]


def limit_reason(scene: Scene, limit: str) -> Reason:
    """A full limit: how many slots, who holds them since when, who is before this run."""
    number, held = scene.numbers.get(limit), scene.held.get(limit, 0)
    kind, _, name = limit.partition(":")
    what = f"work queue {name}" if kind == "queue" else "its deployment" if kind == "deployment" else f"{kind} {name}"
    slots = f"all {number} slots" if number is not None else "the slots"
    text = f"{slots} of {what} are taken"
    if number is not None and held < number:
        text = f"it waited for a slot of {what}, which has room again: it returns to its queue"
    shown = scene.holders if limit == blocking_limit(scene.run, scene.numbers, scene.held) else ()
    if shown:
        text += ": " + ", ".join(f"{holder.name} since {utc_text_of(holder)}" for holder in shown[:3])
        text += f" and {len(shown) - 3} more" if len(shown) > 3 else ""
    if scene.ahead and kind == "queue":
        text += f"; {runs(scene.ahead)} of the queue due before it"
    command = None
    if kind == "queue":
        command = f"headgate work-queue set-concurrency-limit {name} {(number or held) + 1}"
    details = {"limit": limit, "slots": number, "held": held, "ahead": scene.ahead}
    return Reason(code="limit-full", text=text, command=command, details=details)


def runs(count: int) -> str:
    """A number of runs in a sentence."""
    return "1 run" if count == 1 else f"{count:,} runs"


def utc_text_of(holder: SlotHolder) -> str:
    """Since when a slot is held."""
    return holder.since.strftime("%H:%M:%S")


def no_agent(scene: Scene) -> Reason:
    """No live agent listens; who did last."""
    queue, last = scene.run.queue, scene.last_agent
    text = f"no live agent listens to {queue}"
    if last is not None:
        ago = seconds_text(scene.now_us - round(last.last_heartbeat.timestamp() * SECOND_US))
        text += f"; the last was {last.name} on {last.host}, heard of {ago} ago"
    return Reason(code="no-agent", text=text, command=f"headgate agent start -q {queue}")


def startable(scene: Scene) -> Reason:
    """Nothing is in its way."""
    names = ", ".join(agent.name for agent in scene.agents)
    since = scene.now_us - max(scene.run.due_us, scene.run.created_us)
    if scene.ahead:
        return Reason(
            code="in-line", text=f"it is next after {runs(scene.ahead)} of {scene.run.queue}; agents: {names}"
        )
    if since > STARTS_WITHIN_US:
        text = f"nothing is in its way, and still no agent took it for {seconds_text(since)}; agents: {names}"
        return Reason(code="not-taken", text=text, command=f"headgate agent inspect {scene.agents[0].name}")
    return Reason(code="starting", text=f"nothing is in its way: it starts at once on one of {names}")


def history_of(scene: Scene) -> Iterator[Reason]:
    """Why a run that had been started is waiting again."""
    run = scene.run
    if run.attempt and run.reason:
        text = f"attempt {run.attempt} was given back: {run.reason}"
        yield Reason(code="given-back", text=text, command=f"headgate flow-run logs {run.id}")


def in_hand(scene: Scene) -> Reason:
    """An agent has it."""
    run = scene.run
    last = run.history[-1].at_us if run.history else run.created_us
    since = seconds_text(scene.now_us - last)
    logs = f"headgate flow-run logs -f {run.id}"
    if run.state == State.PENDING:
        text = f"agent {run.agent} claimed it {since} ago and is starting its process"
        return Reason(code="starting", text=text, command=f"headgate agent inspect {run.agent}")
    if run.state == State.CANCELLING:
        text = f"it was cancelled {since} ago; agent {run.agent} is ending its processes"
        return Reason(code="cancelling", text=text, command=f"headgate agent inspect {run.agent}")
    if run.state == State.PAUSED:
        return Reason(code="paused", text=f"it has been waiting for a person for {since}", command=logs)
    text = f"it is running: attempt {run.attempt}, on agent {run.agent}, for {since}"
    return Reason(code="running", text=text, command=logs)
