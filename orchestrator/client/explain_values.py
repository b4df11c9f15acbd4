"""What an explanation is made from: what all runs have around them, and what one run has; frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from orchestrator.client.queue_values import AgentInfo
from orchestrator.client.values import Change, SlotHolder
from orchestrator.store.leader import Leader
from queues.clock import SECOND_US, to_us
from queues.presence import LOST
from queues.records import Run
from queues.work_queue import WorkQueue

SILENT_US = 12 * SECOND_US
"""An agent that was not heard of for longer than this has missed two heartbeats: its runs may be lost."""


@dataclass(frozen=True, kw_only=True)
class Around:
    """An installation as it stands at one moment. Times and durations are microseconds."""

    now_us: int
    late_us: int
    queues: Mapping[str, WorkQueue]
    numbers: Mapping[str, int]  # all limits that have one
    held: Mapping[str, int]  # how many runs hold a slot, of the limits that matter to the runs asked about
    agents: Mapping[str, AgentInfo]
    leader: Leader
    hold_us: int  # for so long no run is given out: Redis has just returned
    no_expiry_us: int  # for so long no lease ends
    window: str  # why

    def listening(self, queue: str) -> list[AgentInfo]:
        """The live agents that pull from a queue."""
        return [agent for agent in self.agents.values() if queue in agent.queues and agent.state != LOST]

    def able(self, run: Run) -> list[AgentInfo]:
        """The live agents that pull from the queue of a run and have the labels it requires."""
        return [agent for agent in self.listening(run.queue) if set(run.requires) <= set(agent.labels)]

    def answering(self, run: Run) -> list[AgentInfo]:
        """Those of them that were heard of as one that is well is."""
        return [agent for agent in self.able(run) if self.silence_us(agent) <= SILENT_US]

    def silence_us(self, agent: AgentInfo) -> int:
        """For how long nothing was heard of an agent."""
        return self.now_us - to_us(agent.last_heartbeat)

    def is_full(self, limit: str) -> bool:
        """Whether a limit has a number and no free slot."""
        return limit in self.numbers and self.held.get(limit, 0) >= self.numbers[limit]


@dataclass(frozen=True, kw_only=True)
class Alone:
    """A run that is to be tried alone: since when, and the agent that takes no further run until it is empty."""

    since_us: int
    agent: str


@dataclass(frozen=True, kw_only=True)
class LastAgent:
    """The agent that listened to a work queue last: when it was heard of, and who had asked it to end."""

    name: str
    host: str
    at_us: int
    ended: bool  # it said goodbye, or was forgotten
    asked: str | None = None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One run in its surroundings. What costs a reading of its own is left out for the rows of a list."""

    around: Around
    run: Run
    name: str
    ahead: int = 0  # runs that are due earlier and wait for the same
    no_code: Mapping[str, str] = field(default_factory=dict)  # agent → what it said when it gave such a run back
    holders: tuple[SlotHolder, ...] = ()  # of the limit that keeps the run from starting
    paused_by: Change | None = None  # who paused its queue
    deployment_paused: bool = False
    path: str | None = None  # of its flow's file
    timeout_seconds: float | None = None
    alone: Alone | None = None
    lease_us: int | None = None  # until its lease ends
    last_agent: LastAgent | None = None  # of its queue, where none listens

    @property
    def queue(self) -> WorkQueue | None:
        """Its work queue; None when it does not exist."""
        return self.around.queues.get(self.run.queue)

    @property
    def agent(self) -> AgentInfo | None:
        """The agent that has it, as far as it is known."""
        return self.around.agents.get(self.run.agent or "")

    @property
    def late_us(self) -> int:
        """For how long it has been due; negative before."""
        return self.around.now_us - self.run.due_us
