"""What a machine has to allow an agent, looked at before it starts anything: says which limit, and the value needed."""

import os
import resource
import threading
from collections.abc import Sequence

from agent.errors import AgentError
from agent.runners.descriptor_limit import PER_RUN

OPEN_FILES = 40
"""What keeper and supervisor hold open at most while nothing runs."""

PROCESSES = 13
"""Keeper, supervisor with its threads, and one process that works."""


class HostUnfit(AgentError):
    """Expected the machine to allow what an agent needs, got less."""

    exit_code = 2

    def __init__(self, what: str, needed: int, found: int, remedy: str) -> None:
        super().__init__(f"expected {what} to be at least {needed}, got {found}")
        self.hint = remedy


def check_host() -> None:
    """Raise HostUnfit for a limit with which not even one run could be started; more runs than fit are told later."""
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files != resource.RLIM_INFINITY and files < OPEN_FILES + PER_RUN:
        remedy = f"raise it (`ulimit -n`, LimitNOFILE=); each further run takes {PER_RUN}"
        raise HostUnfit("the hard limit of open files", OPEN_FILES + PER_RUN, files, remedy)
    processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    if os.getuid() != 0 and processes != resource.RLIM_INFINITY and processes < PROCESSES:
        remedy = "raise it (`ulimit -u`, LimitNPROC=); each further run takes one, and what flows start comes on top"
        raise HostUnfit("the limit of processes and threads of this user", PROCESSES, processes, remedy)


def start_all(threads: Sequence[threading.Thread]) -> None:
    """Start threads; AgentError when the machine has no room for them."""
    for thread in threads:
        try:
            thread.start()
        except RuntimeError as error:
            processes, _ = resource.getrlimit(resource.RLIMIT_NPROC)
            said = "expected room for another thread, found none"
            where = f"the user's processes (`ulimit -u`: {processes}) or the group's (pids.max) are used up"
            raise AgentError(f"{said}: {where}") from error
