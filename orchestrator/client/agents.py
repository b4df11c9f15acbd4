"""The client's verbs on agents: list, look into, ask to drain or stop."""

from dataclasses import replace

from orchestrator.client import views
from orchestrator.client.access import Access
from orchestrator.client.queue_values import AgentDetail, AgentInfo
from orchestrator.store import Store
from orchestrator.store.names import pick
from queues.clock import from_us
from queues.presence import LOST, Request


class AgentVerbs(Access):
    """What can be done with agents; each is named by name, id, or the unique beginning of its id."""

    def list_agents(self) -> list[AgentInfo]:
        """All agents by name; those that died are listed as `lost` until they are forgotten."""
        return agents(self.store)

    def get_agent(self, ref: str) -> AgentDetail:
        """Everything about one agent, the runs it holds among it."""
        agent = self.store.presence.get(self._agent_name(ref))
        held = self.store.records.get_many(self.store.presence.held(agent.name))
        return AgentDetail(
            **views.agent_fields(agent),
            queue_prefixes=agent.prefixes,
            started_time=from_us(agent.registered_us) if agent.registered_us else None,
            version=agent.info.get("version"),
            runs=tuple(self._listed([run for run in held if run is not None])),
            changes=tuple(views.change(change) for change in self.store.changes.of(f"agent:{agent.name}")),
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
        answer = views.agent_info(asked)
        return answer if asked.state == LOST else replace(answer, state="draining" if what == "drain" else "stopping")

    def _agent_name(self, ref: str) -> str:
        known = self.store.presence.all()
        by_id = {views.agent_id(agent): agent.name for agent in known}
        return by_id[pick("agent", ref, {agent.name: views.agent_id(agent) for agent in known})]


def agents(store: Store) -> list[AgentInfo]:
    """All agents by name."""
    return [views.agent_info(agent) for agent in store.presence.all()]
