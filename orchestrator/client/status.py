"""The client's verb for a glance at everything: what runs, what waits and why, what failed, who is there."""

from collections.abc import Iterator

from orchestrator.client import views
from orchestrator.client.access import Access
from orchestrator.client.explain_agents import runs as in_words
from orchestrator.client.explain_values import SILENT_US, Around
from orchestrator.client.explain_waiting import no_scheduler
from orchestrator.client.scenes import around_of
from orchestrator.client.status_values import (
    AgentStatus,
    FailedRun,
    QueueStatus,
    RedisStatus,
    SchedulerStatus,
    Status,
)
from orchestrator.client.values import FlowRun, Reason
from orchestrator.client.views import seconds_text
from orchestrator.client.work_queues import fields_of
from orchestrator.errors import command
from orchestrator.store.leader import Leader, read_leader
from orchestrator.store.run_lists import Filter
from orchestrator.store.runs import deployment_of
from queues.clock import SECOND_US, from_us
from queues.presence import LOST
from queues.records import Run
from queues.states import State
from queues.work_queue import WorkQueue

MOST_ROWS = 20
FAILURES_EXAMINED = 100
"""The newest failed runs by the time they were made, among which those that ended last are sought."""


class StatusVerbs(Access):
    """What can be asked about the installation as a whole."""

    address = ""

    def status(self) -> Status:
        """Everything that is looked at first when something is wrong; reads only."""
        around = around_of(self.store, (), self._late_us)
        queues = list(around.queues.values())
        return Status(
            at=from_us(around.now_us),
            redis=self._redis(),
            scheduler=scheduler_status(around.leader),
            scheduled=int(self.store.scripts.ask(lambda client: client.zcard(self.store.keys.delayed))),
            queued=sum(queue.queued for queue in queues),
            late=sum(queue.late for queue in queues),
            running=sum(queue.running for queue in queues),
            problems=tuple(problems_of(around)),
            work_queues=tuple(queue_status(queue, around.now_us) for queue in queues),
            agents=tuple(agent_status(name, around) for name in around.agents),
            late_runs=tuple(self._late_runs(queues, around.now_us)),
            last_failures=tuple(self._last_failures(around)),
        )

    def scheduler(self) -> SchedulerStatus:
        """Who leads, as far as it is on record."""
        return scheduler_status(read_leader(self.store.scripts, self.store.keys, self._now_us()))

    def _redis(self) -> RedisStatus:
        server, memory = self.store.scripts.ask_many(lambda pipe: (pipe.info("server"), pipe.info("memory")))
        return RedisStatus(
            address=self.address or self.store.scripts.address,
            version=str(server["redis_version"]),
            uptime_seconds=int(server["uptime_in_seconds"]),
            used_memory=int(memory["used_memory"]),
            memory_limit=int(memory.get("maxmemory", 0)) or None,
        )

    def _late_runs(self, queues: list[WorkQueue], now_us: int) -> list[FlowRun]:
        waiting = [
            entry for queue in queues if queue.late for entry in self.store.queues.waiting(queue.name, MOST_ROWS)
        ]
        late = sorted((entry for entry in waiting if now_us - entry.due_us > self._late_us), key=lambda one: one.due_us)
        records = self.store.records.get_many([entry.run_id for entry in late[:MOST_ROWS]])
        return self._listed([run for run in records if run is not None and run.state == State.QUEUED])

    def _last_failures(self, around: Around) -> list[FailedRun]:
        which = Filter(states=(State.FAILED.value, State.CRASHED.value))
        newest = self.store.runs.page(FAILURES_EXAMINED, which)
        newest.sort(key=lambda run: run.ended_us or run.created_us, reverse=True)
        return [failed_run(run, around) for run in newest[:MOST_ROWS]]


def scheduler_status(leader: Leader) -> SchedulerStatus:
    """Who leads, as shown."""
    return SchedulerStatus(
        leads=leader.leads,
        host=leader.host,
        pid=leader.pid,
        since=views.moment(leader.since_us),
        last_beat=views.moment(leader.beat_us),
    )


def queue_status(queue: WorkQueue, now_us: int) -> QueueStatus:
    """A work queue on the page."""
    waits = None if queue.oldest_due_us is None else max(now_us - queue.oldest_due_us, 0) / SECOND_US
    return QueueStatus(**fields_of(queue), state=queue_state(queue), oldest_wait_seconds=waits)


def queue_state(queue: WorkQueue) -> str:
    """Whether a queue lets runs start now, in one word or two."""
    if queue.paused:
        return "paused"
    if queue.concurrency_limit is not None and queue.running >= queue.concurrency_limit:
        return "full"
    return "ready" if queue.agents else "no agent"


def agent_status(name: str, around: Around) -> AgentStatus:
    """An agent on the page."""
    agent = around.agents[name]
    fields = {field: getattr(agent, field) for field in agent.__dataclass_fields__}
    return AgentStatus(**fields, heartbeat_age_seconds=max(around.silence_us(agent), 0) / SECOND_US)


def failed_run(run: Run, around: Around) -> FailedRun:
    """A failed run on the page."""
    return FailedRun(
        id=run.id,
        name=views.name_of(run),
        deployment=deployment_of(run),
        state=run.state.value,
        state_name=views.shown_state(run, around.now_us, around.late_us),
        end_time=views.moment(run.ended_us),
        agent=run.agent,
        error=next(iter((run.problem or run.reason).splitlines()), None),
    )


# ------------------------------------------------------------------- what needs somebody, the worst first
def problems_of(around: Around) -> Iterator[Reason]:
    """What keeps more than one run from going on, each with the command that changes it."""
    if not around.leader.leads:
        yield no_scheduler(around, "no scheduler is running: no scheduled run is made, no lost run is taken back")
    if around.hold_us or around.no_expiry_us:
        text = f"no lease ends for another {seconds_text(around.no_expiry_us)}"
        text = f"no run starts for {seconds_text(around.hold_us)}, {text}" if around.hold_us else text
        yield Reason(code="recovery", text=f"{text}: {around.window or 'Redis has returned'}", brief=around.window)
    for queue in around.queues.values():
        yield from problem_of_queue(queue, around)
    for agent in around.agents.values():
        silence = around.silence_us(agent)
        if agent.state == LOST or silence > SILENT_US:
            text = f"agent {agent.name} on {agent.host} has not been heard of for {seconds_text(silence)}"
            inspect = command("agent", "inspect", agent.name)
            yield Reason(code="agent-silent", text=text, brief=f"agent {agent.name} is silent", command=inspect)
        elif agent.state == "spool full":
            text = f"agent {agent.name} on {agent.host} takes no runs: its disk is full of lines of runs"
            yield Reason(code="spool-full", text=text, brief=f"the disk of agent {agent.name} is full")


def problem_of_queue(queue: WorkQueue, around: Around) -> Iterator[Reason]:
    """What keeps all runs of a queue from starting."""
    if queue.problem:
        yield Reason(code="newer-schema", text=queue.problem, brief=queue.problem)
    if not queue.queued:
        return
    wait = f"{in_words(queue.queued)} {'waits' if queue.queued == 1 else 'wait'} on {queue.name}"
    if queue.oldest_due_us is not None:
        wait += f", the longest for {seconds_text(around.now_us - queue.oldest_due_us)}"
    if queue.paused:
        resume = command("work-queue", "resume", queue.name)
        brief = f"work queue {queue.name} is paused"
        yield Reason(code="queue-paused", text=f"{wait}, and it is paused", brief=brief, command=resume)
    elif not around.listening(queue.name):
        start = command("agent", "start", "-q", queue.name)
        brief = f"no agent listens to {queue.name}"
        yield Reason(code="no-agent", text=f"{wait}, and no live agent listens to it", brief=brief, command=start)
