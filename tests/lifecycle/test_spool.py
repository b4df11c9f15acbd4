"""Lines of real flows when their agent, its disk or Redis fails: none is lost that was read, none comes twice."""

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from queues.states import State
from tests.lifecycle.worksite import Site, is_running
from tests.support.waiting import wait_until

LEASE = {"lease_seconds": 20.0, "renew_seconds": 1.0}
"""Nothing here is about leases, and printing keeps a busy machine busy."""

CHATTY = """
from orchestrator import flow
@flow
def main(count: int = 1000, rest: int = 0):
    for number in range(1, count + 1):
        print(number)
    note("written", os.getpid())
    while rest and not os.path.exists(os.path.join(NOTES, "go")):
        time.sleep(0.02)
    for number in range(count + 1, count + rest + 1):
        print(number)
"""


def spooled(site: Site, name: str = "a1") -> list[Path]:
    """The spool files of an agent."""
    return [path for path in (site.folder / "home" / "spool").glob(f"*/{name}/*") if path.name != "lock"]


def numbers(site: Site, run_id: str, attempt: int) -> list[int]:
    """The numbers of an attempt's lines; each text must be that of its number."""
    found = [line for line in site.store.logs.read(run_id, limit=1_000_000) if line.at.attempt == attempt]
    assert all(line.record.text == str(line.at.sequence) for line in found if line.record.source != 3)
    return [line.at.sequence for line in found]


@pytest.mark.slow
def test_a_flow_that_prints_through_an_outage_is_not_held_up_and_loses_no_line(site: Site) -> None:
    site.deploy(CHATTY)
    site.agent(**LEASE)
    (run_id,) = site.submit(parameters=[{"count": 1, "rest": 200_000}])
    site.until_noted("written")
    site.redis.kill()
    (site.folder / "go").touch()
    wait_until(lambda: sum(path.stat().st_size for path in spooled(site)) > 3_500_000, 30)
    site.redis.start()
    run = site.until(run_id, State.COMPLETED, within=30)
    assert run.fields["last_line"] == "1-200001"
    wait_until(lambda: numbers(site, run_id, 1)[-1] == 200_001, 20)
    lines = site.store.logs.read(run_id, limit=1_000_000)
    assert len(lines) + sum(line.missing for line in lines) == 200_001 and run.attempt == 1


def test_lines_that_a_killed_supervisor_could_not_ship_are_shipped_by_the_next(site: Site) -> None:
    site.deploy(CHATTY)
    keeper = site.agent(**LEASE)
    (run_id,) = site.submit(parameters=[{"count": 1000, "rest": 1000}])
    flow = int(site.until_noted("written")[0])
    wait_until(lambda: len(numbers(site, run_id, 1)) == 1000)
    site.redis.kill()
    (site.folder / "go").touch()
    wait_until(lambda: not is_running(flow))
    wait_until(lambda: b"2000" in b"".join(path.read_bytes() for path in spooled(site)))
    site.kill(site.supervisor(keeper))
    site.redis.start()
    wait_until(lambda: len(numbers(site, run_id, 1)) == 2000, 20, message=site.log_of_agents)
    site.until(run_id, State.COMPLETED, within=20)
    assert numbers(site, run_id, 2) == list(range(1, 2001))
    wait_until(lambda: spooled(site) == [])


@pytest.mark.slow
def test_an_agent_whose_disk_takes_nothing_claims_nothing_until_it_does_and_its_run_goes_on(site: Site) -> None:
    site.deploy(CHATTY)
    keeper = site.agent(**LEASE)
    (first,) = site.submit(parameters=[{"count": 10, "rest": 20_000}])
    site.until_noted("written")
    supervisor = site.supervisor(keeper)
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    (site.folder / "go").touch()
    site.until(first, State.COMPLETED)
    assert numbers(site, first, 1) == list(range(1, 20_011)), "held in memory instead"
    wait_until(lambda: site.store.presence.get("a1").state == "spool full", message=site.log_of_agents)
    (second,) = site.submit(parameters=[{"count": 10}])
    waited = site.store.scripts.now_us()
    wait_until(lambda: site.store.scripts.now_us() - waited > 3_000_000)
    assert site.run(second).state == State.QUEUED and "spool unusable" in site.log_of_agents()
    resource.prlimit(supervisor, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    site.until(second, State.COMPLETED)
    assert "spool usable again" in site.log_of_agents()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 2 MiB, where one may be mounted."""
    path = tmp_path / "disk"
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m,mode=700", "tmpfs", str(path)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"no small disk can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)


@pytest.mark.slow
def test_a_disk_that_runs_full_costs_no_line_and_new_runs_wait_for_room(site: Site, small_disk: Path) -> None:
    site.deploy(CHATTY)
    site.agent(home=str(small_disk), **LEASE)
    (first,) = site.submit(parameters=[{"count": 10, "rest": 100_000}])
    site.until_noted("written")
    ballast = small_disk / "ballast"
    fill(ballast)
    (site.folder / "go").touch()
    site.until(first, State.COMPLETED, within=20)
    assert site.run(first).fields["last_line"] == "1-100010"
    lines = site.store.logs.read(first, limit=1_000_000)
    assert len(lines) + sum(line.missing for line in lines) == 100_010
    assert "No space left" in site.log_of_agents()
    fill(ballast)
    (second,) = site.submit(parameters=[{"count": 10}])
    wait_until(lambda: site.store.presence.get("a1").state == "spool full", 10, message=site.log_of_agents)
    assert site.run(second).state == State.QUEUED
    ballast.unlink()
    site.until(second, State.COMPLETED)


def fill(path: Path) -> None:
    """Write until nothing fits any more."""
    with path.open("ab", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError as error:
            assert os.strerror(error.errno or 0) == "No space left on device"
