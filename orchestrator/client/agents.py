"""The client's verbs on agents: list, look into, ask to drain or stop."""

from dataclasses import replace
from typing import Any
from uuid import uuid5

from orchestrator.client import views
from orchestrator.client.access import Access
from orchestrator.client.queue_values import AgentDetail, AgentInfo
from orchestrator.client.values import FlowRun
from orchestrator.runs import NAMESPACE
from orchestrator.store import Store
from orchestrator.store.names import pick
from queues.clock import from_us
from queues.presence import LOST, Agent, Request


class AgentVerbs(Access):
    """What can be done with agents; each is named by name, id, or the unique beginning of its id."""

    def list_agents(self) -> list[AgentInfo]:
        """All agents by name; those that died are listed as `lost` until they are forgotten."""
        return agents(self.store)

    def get_agent(self, ref: str) -> AgentDetail:
        """Everything about one agent, the runs it holds among it."""
        agent = self.store.presence.get(self._agent_name(ref))
        now_us, queues = self._now_us(), self._queues()
        held = self.store.records.get_many(self.store.presence.held(agent.name))
        runs: tuple[FlowRun, ...] = tuple(
            views.flow_run(run, now_us, self._late_us, queues) for run in held if run is not None
        )
        return AgentDetail(
            **fields_of(agent),
            started_time=from_us(agent.registered_us) if agent.registered_us else None,
            version=agent.info.get("version"),
            runs=runs,
        )

    def drain_agent(self, ref: str) -> AgentInfo:
        """Ask an agent to take no further run and to end when its runs have ended."""
        return self._request(ref, "drain")

    def stop_agent(self, ref: str) -> AgentInfo:
        """Ask an agent to end its runs, give them back, and end."""
        return self._request(ref, "stop")

    def _request(self, ref: str, what: Request) -> AgentInfo:
        asked = self.store.presence.get(self._agent_name(ref))
        self.store.presence.request(asked.name, what, actor=self.actor)
        # Not read again: an agent with nothing to do may have ended and gone by now.
        answer = agent_info(asked)
        return answer if asked.state == LOST else replace(answer, state="draining" if what == "drain" else "stopping")

    def _agent_name(self, ref: str) -> str:
        known = self.store.presence.all()
        by_id = {agent_id(agent): agent.name for agent in known}
        return by_id[pick("agent", ref, {agent.name: agent_id(agent) for agent in known})]


def agents(store: Store) -> list[AgentInfo]:
    """All agents by name."""
    return [agent_info(agent) for agent in store.presence.all()]


def agent_id(agent: Agent) -> str:
    """An agent's id: short enough for a table, and its beginning tells agents of one machine apart."""
    return str(uuid5(NAMESPACE, f"agent/{agent.instance}"))


def fields_of(agent: Agent) -> dict[str, Any]:
    """The fields of a listed agent."""
    return {
        "id": agent_id(agent),
        "name": agent.name,
        "host": agent.identity.host,
        "pid": agent.identity.pid,
        "queues": agent.queues,
        "limit": agent.limit,
        "running": agent.running,
        "state": agent.state,
        "last_heartbeat": from_us(agent.seen_us),
    }


def agent_info(agent: Agent) -> AgentInfo:
    """An agent as listed."""
    return AgentInfo(**fields_of(agent))
