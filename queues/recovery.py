"""The return of Redis: when it was away, nothing expires until every agent had the time to renew.

An agent keeps its runs while nobody else can claim them, though it can not renew either (`agent.lease_clock`). So a
lease that ended meanwhile says nothing about its owner, and whoever expires must not judge by it: the *recovery
window*, in which nothing expires for lease and grace. It is opened by a script, in the same step in which the return
is seen:

1. *Another server process* (crash, LOADING, fail-over): every new connection says which process it met (`Greeting`,
   lua/greet.lua). Such a server may have lost the end of its log, claims included: nobody claims for two seconds,
   tokens go on far above any lost one, and renewals take back runs whose claim was lost (lua/renew.lua). An agent
   renews as soon as it is connected again: `on_return` tells it to. A server that ended cleanly, or that nobody has
   greeted before, opens no window.
2. *The same process that took no writes for a while* (disk full, read-only, too few replicas, no memory for its log)
   looks the same before and after. Only what was written tells: the leading scheduler writes the time of its beat
   into Redis, three times in half of the shortest lease and grace, and the beat that finds the one before older than
   that half opens the window (orchestrator/store/lua/lead.lua). A shorter silence costs no lease: at its start less
   than half a lease had gone since the last renewal, and at its end agents try again every half second. The time of
   the beat stands in Redis and not in a process. So it makes no difference that the scheduler was started anew during
   the outage, that a standby takes over after it, or which of two comes first: the first beat sees the whole silence,
   and nobody expires without a beat. A scheduler that was frozen between its beat and its expiry is refused by
   lua/expire.lua, for its beat is not fresh any more.
3. *A jump of the clock of Redis* is seen by the same comparison, forward as a silence and back as a negative one.

What that costs: when no scheduler at all ran for longer than that half, runs of agents that died meanwhile wait for
lease and grace once more. Nothing is held up when no lease stands.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass

import msgpack

from queues import events
from queues.clock import seconds_to_us
from queues.connection import Ask
from queues.keys import DEFAULT_PREFIX, Keys
from queues.scripts import script_text
from queues.server_check import Demands, ServerFacts

HOLD_SECONDS = 2.0
"""How long nobody claims after the return of Redis: long enough for every agent to connect and renew."""

FRESH_SECONDS = 1.5
"""How old the beat of a scheduler may be that expires leases."""


@dataclass(frozen=True, kw_only=True)
class WindowLength:
    """How long a recovery window lasts for leases of `lease_seconds`."""

    lease_seconds: float = 30.0
    grace_seconds: float = 2.0
    hold_seconds: float = HOLD_SECONDS

    def arguments(self) -> dict[str, int]:
        """Give what greet.lua takes."""
        return {
            "expiry_us": seconds_to_us(self.lease_seconds + self.grace_seconds),
            "claims_us": seconds_to_us(self.hold_seconds),
        }

    @property
    def silence_seconds(self) -> float:
        """How long Redis may take no write without a lease being at risk."""
        return (self.lease_seconds + self.grace_seconds) / 2


class Greeting:
    """What `queues.connection.connect` does on every new connection: `connect(url, greet=Greeting(prefix))`.

    Costs one HMGET when the server is the one greeted before. A server that does not fit `demands` is RedisRefused.
    `on_return` is called, in the thread that connects, when it is another than this process knew: whoever holds runs
    renews at once then. `installation` is the id of the data met last.
    """

    def __init__(
        self,
        prefix: str = DEFAULT_PREFIX,
        *,
        length: WindowLength | None = None,
        demands: Demands | None = None,
        on_return: Callable[[], None] | None = None,
    ) -> None:
        self._prefix = prefix
        self._length = length or WindowLength()
        self._demands = demands or Demands()
        self._on_return = on_return
        self._known: str | None = None
        self.installation: str | None = None

    def __call__(self, facts: ServerFacts, ask: Ask) -> None:
        """Greet a server on one connection."""
        if facts.run_id != self._known:
            self._demands.require_durability(facts.address, ask)
        run_id, found = ask("HMGET", Keys(self._prefix).recovery, "run_id", "installation")
        installation = found.decode(errors="replace") if found else None
        self._demands.require_installation(facts.address, installation)
        if run_id != facts.run_id.encode() or installation is None:
            installation = self._introduce(facts, ask)
        self.installation = installation
        returned = self._known is not None and self._known != facts.run_id
        self._known = facts.run_id
        if returned and self._on_return is not None:
            self._on_return()

    def _introduce(self, facts: ServerFacts, ask: Ask) -> str:
        arguments = {"run_id": facts.run_id, "installation": secrets.token_hex(8), **self._length.arguments()}
        payload = msgpack.packb(arguments, use_bin_type=False)
        # EVAL and not EVALSHA: this happens once in the life of a server, which does not know the script yet.
        reply = msgpack.unpackb(ask("EVAL", script_text("queues", "greet"), 1, self._prefix, payload, 0))
        if reply["window"]:
            events.recovery_opened(reason=reply["reason"])
        return str(reply["installation"])
