"""The same verbs as the command line, from Python."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from orchestrator.client.agents import AgentVerbs
from orchestrator.client.deployments import DeploymentVerbs
from orchestrator.client.examine import DoctorVerbs
from orchestrator.client.flows import FlowVerbs
from orchestrator.client.limits import TagLimitVerbs
from orchestrator.client.status import StatusVerbs
from orchestrator.client.work_queues import WorkQueueVerbs
from orchestrator.config import Settings
from orchestrator.store import Store
from queues.connection import connect, masked
from queues.recovery import Greeting, WindowLength
from queues.redis_server import EmbeddedRedis
from queues.server_check import Demands

ANSWER_SECONDS = 2.2
"""How long an answer of Redis may take: a command that finds none ends within 3 seconds, its own start included."""


class Client(DeploymentVerbs, FlowVerbs, WorkQueueVerbs, TagLimitVerbs, AgentVerbs, StatusVerbs, DoctorVerbs):
    """Talks to the installation's Redis directly. `ref` everywhere: full id, unique beginning of an id, or name.

    An unknown ref raises NotFound with the nearest three names, an ambiguous one Ambiguous with the list; a Redis that
    does not answer or refuses raises RedisUnreachable or RedisRefused within 3 seconds.
    """

    address = ""
    """The Redis it talks to, without user name and password."""

    _embedded: EmbeddedRedis | None = None

    @classmethod
    def from_settings(cls, settings: Settings | None = None, *, actor: str | None = None) -> Self:
        """A client of the installation that the settings name (default: the environment's).

        Without a Redis URL it is the embedded Redis of the home folder, which is started when it does not run.
        """
        settings = settings or Settings.load()
        embedded = (
            None
            if settings.redis_url
            else EmbeddedRedis.acquire(settings.home, prefix=settings.prefix, strict=settings.strict)
        )
        url = embedded.url if embedded else settings.redis_url or ""
        try:
            length = WindowLength(lease_seconds=settings.lease_seconds, grace_seconds=settings.grace_seconds)
            demands = Demands(installation=settings.installation, strict=settings.strict)
            greeting = Greeting(settings.prefix, length=length, demands=demands)
            redis = connect(url, timeout=ANSWER_SECONDS, greet=greeting)
            silent = settings.lease_seconds + settings.grace_seconds
            store = Store(redis, settings.prefix, silent_seconds=silent)
        except BaseException:
            if embedded:
                embedded.close()
            raise
        client = cls(store, actor=actor, late_seconds=settings.late_seconds)
        client.address, client._embedded, client.home = masked(url), embedded, str(settings.home)
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connection, and of the embedded Redis, which ends when nobody uses it any more."""
        self.store.scripts.redis.close()
        if self._embedded:
            self._embedded.close()

    def server_version(self) -> str:
        """The version of the Redis it talks to."""
        info = self.store.scripts.ask(lambda client: client.info("server"))
        return str(info["redis_version"])
