"""An agent's entry into the installation: a name that no living process has, and nothing left of who had it before."""

import hashlib
import time
import uuid
from dataclasses import dataclass
from importlib import metadata

from agent.errors import AgentNameTaken
from agent.leftovers import Mark, sweep
from agent.options import AgentOptions
from queues.address import parse_url
from queues.identity import ProcessIdentity
from queues.presence import Clash, Presence, Registered
from queues.rq_bridge import RqBridge

HOLDER_PATIENCE_SECONDS = 2.0
"""How long a wanted name's holder may take to end: one whose keeper was killed is about to."""

RETRY_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A name that is ours now."""

    name: str
    mark: Mark
    freed: int
    """Runs of a dead holder that went back into line."""
    swept: int
    """Processes of such runs that were still there."""


class Joining:
    """Takes a name for this process, and takes it again should Redis forget."""

    def __init__(self, presence: Presence, options: AgentOptions, bridge: RqBridge) -> None:
        self._presence = presence
        self._options = options
        self._bridge = bridge
        self._identity = ProcessIdentity.here()
        self._queues = options.queues
        self.instance = str(uuid.uuid4())

    def join(self) -> Joined:
        """Take the first name that can be had; AgentNameTaken when a living agent has the one that is wanted."""
        clash = None
        for name in self._options.names_to_try():
            joined = self._insist(name) if self._options.name else self._try(name)
            if isinstance(joined, Joined):
                return joined
            clash = joined
        assert clash is not None, "an agent has at least one name to try"
        raise AgentNameTaken(clash.name, clash.holder.host, clash.holder.pid, cloned=clash.holder.may_be_from_here())

    def _insist(self, name: str) -> Joined | Clash:
        """Try one name for as long as its holder may be about to end, or may have ended with the boot before this one.

        Which of the two, a reboot or a living clone of this machine, shows in whether the holder is heard of again.
        """
        began, first = time.monotonic(), None
        while True:
            answer = self._try(name)
            if isinstance(answer, Joined):
                return answer
            first = first or answer
            heard_of = (answer.instance, answer.seen_us) != (first.instance, first.seen_us)
            patience = HOLDER_PATIENCE_SECONDS
            if answer.holder.may_be_from_here() and not heard_of:
                # Silent for that long, it has no claim to the name any more, nor to runs.
                patience += self._options.lease_seconds + self._options.grace_seconds
            if time.monotonic() - began >= patience:
                return answer
            time.sleep(RETRY_SECONDS)

    def again(self, name: str) -> Registered:
        """Register once more under the same name; AgentNameTaken when someone else has it by now."""
        answer = self._register(name, None)
        if isinstance(answer, Clash):
            raise AgentNameTaken(name, answer.holder.host, answer.holder.pid)
        return answer

    def serve(self, name: str, queues: tuple[str, ...]) -> Registered:
        """Say which queues are served from now on."""
        self._queues = queues
        return self.again(name)

    def leave(self, name: str) -> None:
        """Give the name back."""
        self._presence.unregister(name, self.instance)

    def _try(self, name: str) -> Joined | Clash:
        # Swept first: what a dead holder left must be gone before its runs go back into line.
        mark = Mark.of_this_process(installation(self._options), name)
        swept = sweep(mark)
        # Also one that has been silent for so long that its name is free: what it held would wait for its leases, and
        # after an outage of Redis nothing expires for a while.
        before = self._presence.holder(name)
        answer = self._register(name, before.instance if before and before.holder.is_gone() else None)
        if isinstance(answer, Clash):
            return answer
        return Joined(name=name, mark=mark, freed=len(answer.released), swept=swept)

    def _register(self, name: str, takeover: str | None) -> Registered | Clash:
        return self._presence.register(
            name,
            self._queues,
            limit=self._options.limit,
            instance=self.instance,
            identity=self._identity,
            takeover=takeover,
            info={
                "version": installed_version(),
                "labels": self._options.labels,
                "prefixes": self._options.queue_prefixes,
            },
            rq_worker=self._bridge.worker(self._identity),
        )


def installed_version() -> str:
    """The version of the distribution; that of a bare checkout is not known."""
    try:
        return metadata.version("headgate")
    except metadata.PackageNotFoundError:
        return "0+checkout"


def installation(options: AgentOptions) -> str:
    """A short name of the Redis and prefix an agent works for, the same at every start, without a password."""
    return hashlib.sha256(f"{parse_url(options.redis_url)} {options.prefix}".encode()).hexdigest()[:12]
