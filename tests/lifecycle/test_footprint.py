"""What an agent costs: memory of keeper and supervisor, commands while idle, bounds while Redis is away."""

import time
from pathlib import Path
from typing import Any

from queues.states import State
from tests.lifecycle.worksite import Site
from tests.support.waiting import wait_until

IDLE_SECONDS = 6.0


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1024


def test_keeper_and_supervisor_take_less_than_70_mb_also_after_many_runs(site: Site) -> None:
    site.deploy("from orchestrator import flow\n@flow\ndef main():\n    print('x')\n")
    keeper = site.agent()
    for run_id in site.submit(30):
        site.until(run_id, State.COMPLETED, within=20)
    keeper_mb, supervisor_mb = rss_mb(keeper.pid), rss_mb(site.supervisor(keeper))
    print(f"keeper {keeper_mb:.1f} MB, supervisor {supervisor_mb:.1f} MB")
    assert keeper_mb <= 15 and keeper_mb + supervisor_mb <= 70


def test_an_idle_agent_sends_less_than_one_command_per_second(site: Site) -> None:
    site.agent(lease_seconds=30.0, renew_seconds=5.0)
    wait_until(lambda: site.store.scripts.redis.exists(site.store.keys.idling("a1")))
    began, before = time.monotonic(), total_commands(site)
    wait_until(lambda: time.monotonic() - began > IDLE_SECONDS, IDLE_SECONDS + 1, every=0.5)
    sent = total_commands(site) - before
    print(f"{sent} commands in {time.monotonic() - began:.1f} s")
    assert sent < time.monotonic() - began


def total_commands(site: Site) -> int:
    """What agents have sent to Redis so far: calls of scripts, which scripts do not make, and what waits or listens."""
    stats: Any = site.store.scripts.redis.info("commandstats")
    sent = ("evalsha", "eval", "script|load", "blpop", "subscribe", "ping")
    return sum(int(stats[f"cmdstat_{name}"]["calls"]) for name in sent if f"cmdstat_{name}" in stats)


def test_a_chatty_flow_is_not_held_up_and_memory_stays_bounded_while_redis_is_away(site: Site) -> None:
    site.deploy(
        """
        from orchestrator import flow
        @flow
        def main():
            line = "x" * 1000
            note("started")
            for number in range(25000):
                print(number, line)
            note("written")
        """
    )
    keeper = site.agent()
    (run_id,) = site.submit()
    site.until_noted("started")
    site.redis.kill()
    supervisor = site.supervisor(keeper)
    peak = rss_mb(supervisor)

    def written() -> bool:
        nonlocal peak
        peak = max(peak, rss_mb(supervisor))
        return bool(site.notes("written"))

    wait_until(written, 20.0)
    assert peak < 90, "25 MB wait on the disk, not in the agent"
    site.redis.start()
    site.until(run_id, State.COMPLETED, within=20)
