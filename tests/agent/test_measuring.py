"""What processes use, of real ones: memory that is shared counts once, and what is gone counts nothing."""

import os
import subprocess
import sys

from agent.measuring import own_share, peak_kb, use_of
from tests.support.waiting import wait_until

MIB = 1 << 20
SHARING = (
    "import os, time; kept = b'x' * (40 << 20); n = [os.fork() for _ in range(2)]; print(flush=True); time.sleep(60)"
)


def test_memory_that_processes_share_counts_once_and_is_looked_at_closely_only_when_it_matters() -> None:
    family = subprocess.Popen([sys.executable, "-c", SHARING], stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert family.stdout is not None
        pids = wait_until(lambda: found if len(found := members(family.pid)) == 4 else None)
        for _ in range(4):
            family.stdout.readline()
        plain, close = use_of(pids), use_of(pids, most_bytes=60 * MIB)
        assert plain.memory_bytes > 150 * MIB and 40 * MIB < close.memory_bytes < 100 * MIB
        assert plain.processes == 4
    finally:
        os.killpg(family.pid, 9)
        family.wait()
    wait_until(lambda: use_of(pids).processes == 0)
    assert (own_share(family.pid), peak_kb(family.pid)) == (0, 0)


def members(session: int) -> list[int]:
    """The processes of a session."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getsid(int(name)) == session:
                found.append(int(name))
        except ProcessLookupError:
            continue
    return found


def test_the_peak_of_a_living_process_is_no_less_than_what_it_has() -> None:
    assert peak_kb(os.getpid()) * 1024 >= use_of([os.getpid()]).memory_bytes * 0.9 > 0
