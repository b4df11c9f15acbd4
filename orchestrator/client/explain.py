"""Why a run is not running: from what stands in Redis to reasons, each with the command that changes it; pure."""

from collections.abc import Iterator

from orchestrator.client.explain_values import SILENT_US, Scene
from orchestrator.client.explain_waiting import no_scheduler, waiting
from orchestrator.client.values import Explanation, Reason
from orchestrator.client.views import seconds_text, shown_state, utc_text
from orchestrator.errors import command
from orchestrator.store.runs import deployment_of
from queues.clock import SECOND_US
from queues.states import HELD, TERMINAL, State


def explain(scene: Scene) -> Explanation:
    """Say why the run is not running; the first reason is the one to act on."""
    reasons = tuple(reasons_of(scene))
    around = scene.around
    return Explanation(
        id=scene.run.id,
        name=scene.name,
        state=scene.run.state.value,
        state_name=shown_state(scene.run, around.now_us, around.late_us),
        summary=reasons[0].text,
        reasons=reasons,
        holders=scene.holders,
    )


def why(scene: Scene) -> str | None:
    """The first reason in short words, for a column of a list; None when there is nothing to say."""
    return next(reasons_of(scene)).brief or None


def reasons_of(scene: Scene) -> Iterator[Reason]:
    """The reasons by state; a record that can not be relied on comes first."""
    state = scene.run.state
    if scene.run.problem:
        yield Reason(code="unreadable", text=scene.run.problem, brief=scene.run.problem)
    if state in TERMINAL:
        yield ended(scene)
        return
    if state == State.SCHEDULED:
        yield from delayed(scene)
    elif state == State.QUEUED:
        yield from waiting(scene)
    elif state in HELD:
        yield from silent_agent(scene)
        yield in_hand(scene)
    else:
        yield for_a_person(scene)
    yield from history_of(scene)
    if scene.deployment_paused:
        text = "its deployment is paused: its schedules make no further runs (this one goes on)"
        resume = command("deployment", "resume", deployment_of(scene.run))
        yield Reason(code="deployment-paused", text=text, brief="its deployment is paused", command=resume)


def ended(scene: Scene) -> Reason:
    """A run that is over does not run again, a retry is a new run: how it ended, when, where."""
    run, now_us = scene.run, scene.around.now_us
    at = run.ended_us or now_us
    text = f"it ended {run.state.value} {seconds_text(now_us - at)} ago, at {utc_text(at)}"
    if run.started_us is not None:
        text += f", after {seconds_text(at - run.started_us)}"
    if run.agent and run.attempt:
        text += f" on {place_of(scene)}" + (f", attempt {run.attempt}" if run.attempt > 1 else "")
    by = run.history[-1].actor if run.history and run.state == State.CANCELLED else ""
    text += f", by {by}" if by and not by.startswith("agent:") else ""
    text += f": {run.reason}" if run.reason else ""
    details = {name: run.fields[name] for name in ("exit_code", "signal") if name in run.fields}
    retry = None if run.state == State.COMPLETED else command("flow-run", "retry", run.id)
    return Reason(code="ended", text=text, brief=run.reason, command=retry, details=details or None)


def delayed(scene: Scene) -> Iterator[Reason]:
    """Not due yet; or due, and no scheduler is there to put it on its queue."""
    run, wait = scene.run, -scene.late_us
    leads = scene.around.leader.leads
    if wait <= 0 and not leads:
        waited = f"it has been due for {seconds_text(-wait)}, and"
        yield no_scheduler(scene.around, f"{waited} no scheduler is running to put it on its queue")
        return
    if wait <= 0:
        text = "it is due now and goes to its queue at the scheduler's next pass"
        yield Reason(code="due-now", text=text, brief="goes to its queue now")
        return
    kind = f"try {run.attempt + 1} of a run that failed" if run.failures else "it"
    text = f"{kind} is due in {seconds_text(wait)}, at {utc_text(run.due_us)}"
    brief = f"next try in {seconds_text(wait)}" if run.failures else f"due in {seconds_text(wait)}"
    brief += f", after: {run.reason}" if run.reason else ""
    yield Reason(code="not-due", text=text, brief=brief, details={"due_in_seconds": wait / SECOND_US})
    if not leads:
        yield no_scheduler(scene.around, "no scheduler is running, which would put it on its queue then")


def history_of(scene: Scene) -> Iterator[Reason]:
    """Why a run that had been started is waiting again."""
    run = scene.run
    waits = run.state in (State.SCHEDULED, State.QUEUED)
    if not waits or not run.attempt or not run.reason or run.reason in scene.no_code.values():
        return
    logs = command("flow-run", "logs", run.id)
    if run.failures and run.state == State.SCHEDULED:
        text = f"attempt {run.attempt} failed: {run.reason}"
        yield Reason(code="failed-before", text=text, brief=run.reason, command=logs)
    else:
        text = f"attempt {run.attempt} was given back: {run.reason}"
        yield Reason(code="given-back", text=text, brief=run.reason, command=logs)


def silent_agent(scene: Scene) -> Iterator[Reason]:
    """An agent that was not heard of may be dead; then the end of the lease decides, which a scheduler looks after."""
    run, agent, around = scene.run, scene.agent, scene.around
    silence = around.silence_us(agent) if agent else SILENT_US + 1
    if silence <= SILENT_US:
        return
    heard = f"agent {run.agent} is not known any more"
    if agent:
        heard = f"{place_of(scene)} has not been heard of for {seconds_text(silence)}"
    what = "it ends CANCELLED" if run.state == State.CANCELLING else "it starts again elsewhere"
    what = "it ends CRASHED" if run.on_lost == "crash" and run.state != State.CANCELLING else what
    lease = scene.lease_us
    if around.no_expiry_us > 0:
        when = f"no lease ends for another {seconds_text(around.no_expiry_us)}, because {around.window}; then {what}"
    elif lease is not None and lease > 0:
        when = f"unless it comes back, {what} when its lease has ended, in {seconds_text(lease)}"
    else:
        when = f"its lease has ended, so {what} at once"
    brief = f"agent {run.agent} has been silent for {seconds_text(silence)}" if agent else heard
    details = {"agent": run.agent, "silent_seconds": silence / SECOND_US if agent else None}
    inspect = command("agent", "inspect", run.agent) if agent else None
    yield Reason(code="agent-silent", text=f"{heard}: {when}", brief=brief, command=inspect, details=details)
    if not around.leader.leads:
        yield no_scheduler(around, "no scheduler is running, which takes runs back from lost agents")


def in_hand(scene: Scene) -> Reason:
    """An agent has it: since when, and what ends that."""
    run = scene.run
    last = run.history[-1].at_us if run.history else run.created_us
    since = seconds_text(scene.around.now_us - last)
    inspect = command("agent", "inspect", run.agent)
    alone = ", alone on it: it was lost beside other runs before" if run.alone == "now" else ""
    if run.state == State.PENDING:
        text = f"{place_of(scene)} claimed it {since} ago and is starting its process{alone}"
        return Reason(code="starting", text=text, brief=f"agent {run.agent} is starting it", command=inspect)
    if run.state == State.CANCELLING:
        text = f"it was cancelled {since} ago; {place_of(scene)} is ending its processes"
        return Reason(code="cancelling", text=text, brief=f"agent {run.agent} is ending its processes", command=inspect)
    limit = f", of at most {scene.timeout_seconds:g} s" if scene.timeout_seconds else ""
    text = f"it is running: attempt {run.attempt}, on {place_of(scene)}, for {since}{limit}{alone}"
    return Reason(code="running", text=text, brief=run.reason, command=command("flow-run", "logs", "-f", run.id))


def for_a_person(scene: Scene) -> Reason:
    """It holds no slot and waits for somebody."""
    run = scene.run
    last = run.history[-1].at_us if run.history else run.created_us
    text = f"it has been waiting for a person for {seconds_text(scene.around.now_us - last)}"
    logs = command("flow-run", "logs", run.id)
    return Reason(code="paused", text=text, brief="waits for a person", command=logs)


def place_of(scene: Scene) -> str:
    """The agent that has or had the run, and its host."""
    agent = scene.agent
    return f"agent {scene.run.agent}" + (f" on {agent.host}" if agent else "")
