"""The scheduler process: passes, and the waiting between them, until a signal.

Start it as often as you like: one works, the others stand by and take over within seconds. It keeps nothing in memory
that matters; killed at any point, the next one goes on from what Redis holds.
"""

import contextlib
import random
import time

from orchestrator.config import Settings
from orchestrator.keys import KINDS
from orchestrator.scheduler import events
from orchestrator.scheduler.leadership import Leadership
from orchestrator.scheduler.passes import Passes
from orchestrator.scheduler.rescue import Rescue
from orchestrator.scheduler.retention import Retention
from orchestrator.scheduler.stopping import Interrupted, Stopping
from orchestrator.scheduler.tick import Reached, nowhere
from orchestrator.store import Store
from queues.connection import connect, connect_blocking, masked
from queues.errors import HeadgateQueueError, RedisFailure
from queues.events import to_stderr
from queues.key_watch import KeyWatch
from queues.keys import SCHEDULER
from queues.leases import Leases
from queues.recovery import FRESH_SECONDS, Greeting, WindowLength
from queues.redis_server import EmbeddedRedis
from queues.repair import Repair
from queues.server_check import Demands, check_server
from queues.wakeups import wait_for_wake

EXACT_SECONDS = 0.12
"""Redis ends a blocking read up to a tenth of a second late: the end of a wait is slept."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
TOLD_EVERY = 60.0
RESTART_SECONDS = 0.5
GOODBYE_SECONDS = 0.3


class Scheduler:
    """The process around the passes. Duties:

    1. connect, refuse a server that would drop runs, and greet every server that is met;
    2. call the passes, and between them wait for the next instant or a wake-up;
    3. when Redis is away, try again with growing pauses; bring the embedded one back;
    4. at a signal end within a second, and let a standby take over at once.
    """

    def __init__(self, settings: Settings, *, reached: Reached = nowhere) -> None:
        self._settings = settings
        self._embedded = (
            None
            if settings.redis_url
            else EmbeddedRedis.acquire(settings.home, prefix=settings.prefix, strict=settings.strict)
        )
        self._url = self._embedded.url if self._embedded else settings.redis_url or ""
        length = WindowLength(lease_seconds=settings.lease_seconds, grace_seconds=settings.grace_seconds)
        demands = Demands(installation=settings.installation, strict=settings.strict)
        greeting = Greeting(settings.prefix, length=length, demands=demands)
        client = connect(self._url, name="headgate-scheduler", greet=greeting)
        self._problems = check_server(client, masked(self._url), strict=settings.strict).problems
        self._store = Store(client, settings.prefix)
        self._waiting = connect_blocking(self._url, longest_block=LONGEST_PAUSE, greet=greeting)
        self._installation = greeting.installation
        self._leadership = Leadership(self._store, length=length, installation=self._installation)
        self._passes = passes_of(settings, self._store, self._leadership, length, reached)
        self._away_since: float | None = None
        self._told_at = -TOLD_EVERY
        self._pause = FIRST_PAUSE

    def run(self) -> None:
        """Work until a signal comes."""
        events.started(redis=masked(self._url), owner=self._leadership.owner, installation=self._installation)
        for problem in self._problems:
            events.risky_redis(problem=problem)
        with Stopping() as stopping, contextlib.suppress(Interrupted):
            while not stopping.asked:
                self._sleep(self._once())
        self._resign()
        events.stopped()

    def close(self) -> None:
        """Let go of connections and of the embedded Redis."""
        self._store.scripts.redis.close()
        self._waiting.close()
        if self._embedded:
            self._embedded.close()

    def _once(self) -> float:
        """One pass; gives the seconds to wait."""
        try:
            seconds = self._passes.once()
        except RedisFailure as failure:
            return self._while_away(failure)
        if self._away_since is not None:
            events.redis_back(away_seconds=time.monotonic() - self._away_since)
            self._away_since, self._pause = None, FIRST_PAUSE
        return seconds

    def _while_away(self, failure: RedisFailure) -> float:
        now = time.monotonic()
        self._away_since = self._away_since or now
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        pause = self._pause * random.uniform(0.5, 1.0)
        if now - self._told_at >= TOLD_EVERY:
            self._told_at = now
            events.redis_away(problem=str(failure), retry_in=pause)
        if self._embedded:
            with contextlib.suppress(HeadgateQueueError):
                self._embedded.ensure(within=RESTART_SECONDS)
        return pause

    def _sleep(self, seconds: float) -> None:
        """Wait so long, or until something is there for the scheduler; a standby takes no wake-ups from the leader."""
        until = time.monotonic() + seconds
        if seconds > 2 * EXACT_SECONDS and self._passes.leading and self._away_since is None:
            with contextlib.suppress(RedisFailure):
                key = self._store.keys.wake(SCHEDULER)
                if wait_for_wake(self._waiting, key, timeout=round(seconds - EXACT_SECONDS, 3)) is not None:
                    return
        time.sleep(max(until - time.monotonic(), 0.0))

    def _resign(self) -> None:
        """Give the leadership up, on a connection of its own: the other may have been broken off in mid-answer."""
        with contextlib.suppress(HeadgateQueueError):
            client = connect(self._url, timeout=GOODBYE_SECONDS)
            self._leadership.resign(Store(client, self._settings.prefix))
            client.close()


def passes_of(
    settings: Settings, store: Store, leadership: Leadership, length: WindowLength, reached: Reached = nowhere
) -> Passes:
    """The passes of a scheduler with these settings."""
    leases = Leases(store.scripts, grace_seconds=settings.grace_seconds, lease_seconds=settings.lease_seconds)
    repair = Repair(store.scripts, lease_seconds=settings.lease_seconds)
    rescue = Rescue(
        leases, repair, KeyWatch(store.scripts, kinds=KINDS), fresh_seconds=min(FRESH_SECONDS, length.silence_seconds)
    )
    retention = Retention(store, run_days=settings.run_retention_days, log_days=settings.log_retention_days)
    return Passes(store, leadership, rescue, retention, length=length, reached=reached)


def main(settings: Settings | None = None) -> None:
    """Run a scheduler in the foreground until SIGTERM, SIGINT or SIGHUP.

    Raises RedisUnreachable or RedisRefused when Redis can not be used at the start; later outages are waited out.
    """
    to_stderr()
    scheduler = Scheduler(settings or Settings.load())
    try:
        scheduler.run()
    finally:
        scheduler.close()
