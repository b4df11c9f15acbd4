"""The return of Redis: every new connection says which server process it met, and a crash opens a recovery window.

A server that was killed may have lost the last second of what it had acknowledged. In the window nothing expires for
lease and grace, nobody claims for two seconds, and renewals take back runs whose claim was lost (see lua/renew.lua). An
agent renews as soon as it is connected again: `on_return` tells it to. A server that ended cleanly, or that nobody has
greeted before, opens no window. The same window follows a jump of the server's clock, which `Recovery.observe` sees.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import msgpack

from queues import events
from queues.clock import seconds_to_us
from queues.connection import Ask
from queues.keys import DEFAULT_PREFIX, Keys
from queues.scripts import Scripts, script_text
from queues.server_check import ServerFacts

HOLD_SECONDS = 2.0
"""How long nobody claims after the return of Redis: long enough for every agent to connect and renew."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """How long nothing expires and nobody claims after Redis came back; both may have passed, and are Redis' time."""

    no_expiry_before_us: int
    no_claims_before_us: int
    reason: str


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


class Greeting:
    """What `queues.connection.connect` does on every new connection: `connect(url, greet=Greeting(prefix))`.

    Costs one HGET when the server is the one greeted before. `on_return` is called, in the thread that connects, when
    it is another than this process knew: whoever holds runs renews at once then.
    """

    def __init__(
        self,
        prefix: str = DEFAULT_PREFIX,
        *,
        length: WindowLength | None = None,
        on_return: Callable[[], None] | None = None,
    ) -> None:
        self._prefix = prefix
        self._length = length or WindowLength()
        self._on_return = on_return
        self._known: str | None = None

    def __call__(self, facts: ServerFacts, ask: Ask) -> None:
        """Greet a server on one connection."""
        if ask("HGET", Keys(self._prefix).recovery, "run_id") != facts.run_id.encode():
            payload = msgpack.packb({"run_id": facts.run_id, **self._length.arguments()}, use_bin_type=False)
            # EVAL and not EVALSHA: this happens once in the life of a server, which does not know the script yet.
            reply = msgpack.unpackb(ask("EVAL", script_text("queues", "greet"), 1, self._prefix, payload, 0))
            if reply["window"]:
                events.recovery_opened(reason=reply["reason"])
        returned = self._known is not None and self._known != facts.run_id
        self._known = facts.run_id
        if returned and self._on_return is not None:
            self._on_return()


def boot_seconds() -> float:
    """Seconds since the boot, those asleep included; where the system does not tell, those awake."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Recovery:
    """Watches the clock of Redis beside the own one, and reads the window; the process that expires leases has one."""

    def __init__(
        self,
        scripts: Scripts,
        *,
        length: WindowLength | None = None,
        clock: Callable[[], float] = boot_seconds,
    ) -> None:
        self._scripts = scripts
        self._length = length or WindowLength()
        self._clock = clock
        self._last: tuple[float, int] | None = None

    def observe(self) -> float | None:
        """Compare the clocks, before every pass of expiry; a jump opens a window and is returned in seconds.

        Jumps below a third of the lease shorten or lengthen leases by no more than agents can take.
        """
        before, now_us, after = self._clock(), self._scripts.now_us(), self._clock()
        last, self._last = self._last, ((before + after) / 2, now_us)
        if last is None:
            return None
        jump = (now_us - last[1]) / 1_000_000 - (self._last[0] - last[0])
        if abs(jump) < self._length.lease_seconds / 3:
            return None
        reason = f"the clock of Redis jumped {'forward' if jump > 0 else 'back'} by {abs(jump):.1f} s"
        self._scripts.call("greet", jump=reason, **self._length.arguments())
        events.recovery_opened(reason=reason)
        return jump

    def window(self) -> Window | None:
        """Give the last window, open or passed; None when there never was one."""
        names = ["no_expiry_before", "no_claims_before", "reason"]
        found = self._scripts.ask(lambda client: client.hmget(self._scripts.keys.recovery, names))
        if found[0] is None:
            return None
        return Window(
            no_expiry_before_us=int(found[0]), no_claims_before_us=int(found[1] or 0), reason=(found[2] or b"").decode()
        )
