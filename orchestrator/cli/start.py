"""`headgate start`: Redis, scheduler and one agent on this machine, in the foreground, until one Ctrl-C."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.access import settings
from orchestrator.cli.frame import Command
from orchestrator.cli.values import Whole

if TYPE_CHECKING:
    from orchestrator.cli.process_manager import Part
    from orchestrator.config import Settings
    from queues.redis_server import EmbeddedRedis

DRAIN_SECONDS = 3.0
KILL_SECONDS = 1.0
MARGIN_SECONDS = 0.4
"""Runs get 3 s to end and 1 s after their SIGTERM, so that Ctrl-C ends everything within 5 s."""
TRY_REDIS_SECONDS = 0.5
COMPLAIN_SECONDS = 30.0


@click.command("start", cls=Command, shows=False)
@click.option("--no-agent", is_flag=True, help="Without an agent: for machines that only schedule.")
@click.option("--agent-limit", type=Whole(1, 1000), help="How many runs the agent holds at once (as many as CPUs).")
@click.option("--host", help="For the server, which comes with a later version.")
@click.option("--port", type=Whole(0, 65535), help="For the server, which comes with a later version.")
def start(no_agent: bool, agent_limit: int | None, host: str | None, port: int | None) -> None:
    """Run everything on this machine in the foreground: Redis, scheduler, one agent on the queue `default`."""
    from orchestrator.cli.process_manager import ProcessManager

    for option, value in (("--host", host), ("--port", port)):
        if value is not None:
            say(f"{option} has no effect: the server with API and pages comes with a later version")
    chosen = settings()
    redis = Watched(chosen)
    try:
        drain, kill = patience_with_runs(chosen)
        environment = os.environ | {"HEADGATE_DRAIN_SECONDS": f"{drain:g}", "HEADGATE_KILL_SECONDS": f"{kill:g}"}
        parts = parts_of(environment, None if no_agent else agent_limit or 0)
        manager = ProcessManager(parts, say, watch=redis.look, patience=drain + kill + MARGIN_SECONDS)
        code = manager.run(lambda: tell(chosen, redis, parts))
    finally:
        redis.close()
    say("everything has ended" if code == 0 else f"ended, because a part could not start (exit code {code})")
    raise click.exceptions.Exit(code)


def patience_with_runs(chosen: Settings) -> tuple[float, float]:
    """Seconds for runs to end by themselves, and after SIGTERM: short ones, unless the user set others."""
    drain = chosen.drain_seconds if chosen.drain_seconds is not None else DRAIN_SECONDS
    return drain, chosen.kill_seconds if "kill_seconds" in chosen.sources else KILL_SECONDS


def parts_of(environment: dict[str, str], agent_limit: int | None) -> list[Part]:
    """The child processes; no agent with `agent_limit` None, one with as many slots as CPUs with 0."""
    from orchestrator.cli.process_manager import Part

    # -P: a user's own `agent.py` in this folder must not be taken for ours.
    headgate = [sys.executable, "-P", "-m", "orchestrator"]
    parts = [Part(name="scheduler", command=[*headgate, "scheduler", "start"], environment=environment)]
    if agent_limit is not None:
        limit = ["--limit", str(agent_limit)] if agent_limit else []
        command = [*headgate, "agent", "start", "-q", "default", *limit]
        parts.append(Part(name="agent", command=command, environment=environment))
    return parts


def tell(chosen: Settings, redis: Watched, parts: list[Part]) -> None:
    """Says what was started, where its data is, and what to do next."""
    say(f"Redis {redis.version} ({'embedded' if redis.embedded else redis.address}), home folder {chosen.home}")
    for part in parts:
        say(f"{part.name} started, pid {part.pid}")
    say("in another terminal: `headgate deployment create FILE`, `headgate flow-run ls`; Ctrl-C here ends everything")


class Watched:
    """The Redis of `headgate start`: an embedded one is held, and brought back when it dies."""

    def __init__(self, chosen: Settings) -> None:
        from orchestrator.client import Client
        from queues.redis_server import EmbeddedRedis

        self.embedded: EmbeddedRedis | None = None
        self.seen = (0, 0)
        if chosen.redis_url is None:
            self.embedded = EmbeddedRedis.acquire(chosen.home, prefix=chosen.prefix, strict=chosen.strict)
            self.seen = self.socket()
        self.complained = -COMPLAIN_SECONDS
        try:
            with Client.from_settings(chosen) as opened:
                self.address, self.version = opened.address, opened.server_version()
        except BaseException:
            self.close()
            raise

    def look(self) -> None:
        """Starts a dead embedded Redis again; a failure to do so is said twice a minute, and tried again."""
        from queues.errors import HeadgateQueueError

        if self.embedded is None:
            return
        try:
            self.embedded.ensure(within=TRY_REDIS_SECONDS)
            # Whoever needed it first brought it back: the scheduler, an agent, a command, or the line above.
            if (socket := self.socket()) != self.seen:
                self.seen = socket
                say("Redis had died and was started again on its data")
        except (HeadgateQueueError, OSError) as error:
            if time.monotonic() - self.complained >= COMPLAIN_SECONDS:
                self.complained = time.monotonic()
                say(str(error))

    def socket(self) -> tuple[int, int]:
        """What tells one server's socket from the next one's at the same place."""
        found = Path(self.embedded.url.removeprefix("unix://") if self.embedded else "/").stat()
        return found.st_ino, found.st_ctime_ns

    def close(self) -> None:
        """Lets go of the embedded Redis, which ends after its last user."""
        if self.embedded is not None:
            self.embedded.close()


def say(text: str) -> None:
    """One line for whoever watches."""
    print(f"headgate: {text}", file=sys.stderr, flush=True)
