"""Who brings what onto this machine: the providers of an agent, the same in its supervisor and where they work."""

from collections.abc import Mapping
from pathlib import Path

from agent.code.bundle import BundleNeed, Bundles, Shelf
from agent.code.cache import CodeCache
from agent.code.git import GitCheckouts, GitNeed
from agent.environments.need import EnvironmentNeed
from agent.environments.provider import Environments
from agent.errors import PreparationFailed
from agent.needs import Need, Progress, Provider, Providers
from agent.options import AgentOptions, host_name
from agent.placing import Place
from agent.runners.environment import preparing_environment
from orchestrator.store.installation import Store
from queues.connection import connect
from queues.identity import this_boot


def providers_of(options: AgentOptions, own: Mapping[str, str]) -> Providers:
    """The providers of this agent; none where it has no folder to keep anything in.

    `own` is the environment of the process that asks: no secret of the agent's where something is prepared.
    """
    if not options.home:
        return Providers({})
    home = Path(options.home)
    cache = CodeCache(home, most_bytes=int(options.code_cache_mb * (1 << 20)), boot=this_boot())

    def shelf() -> Shelf:
        return Store(connect(options.redis_url, name="headgate-agent-prepare"), options.prefix).bundles

    environments = Environments(
        home,
        own=own,
        host=host_name(),
        seconds=options.environment_seconds,
        cache_mb=options.environment_cache_mb,
    )
    by_kind: dict[str, Provider] = {
        BundleNeed.kind: Bundles(cache, shelf),
        GitNeed.kind: GitCheckouts(cache),
        EnvironmentNeed.kind: environments,
    }
    return Providers(by_kind, tidy=(cache.shrink, environments.tidy))


def place_here(options: AgentOptions, own: Mapping[str, str], say: Progress) -> Place:
    """Where a need is, brought here in this very process if it has to be; raises PreparationFailed.

    For a single command: it has nothing else to do meanwhile.
    """
    providers = providers_of(options, preparing_environment(own))

    def place(need: Need) -> Path:
        try:
            return providers.place(need) or providers.prepare(need.kind, need.to_dict(), say)
        except OSError as error:
            raise PreparationFailed(f"its {need.part} could not be prepared: {error}", final=False) from error

    return place
