"""The sweep: what runs of a dead supervisor of this agent left behind is killed before anything is claimed.

Every process of a run carries `HEADGATE_AGENT=<installation>/<agent>/<numbering>/<pid>.<start time>` in its
environment: which agent started it, and which of its supervisors. Its brand (`agent.brands`) says the same, and where
control groups are permitted, the name of the supervisor's. Processes of a living supervisor, of another agent, of
another installation or of another container are strangers and stay.
"""

import os
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from agent.brands import Brand, brand_of, who_is
from agent.control_group import PREFIX, ControlGroup, all_groups
from agent.process_tree import (
    Process,
    all_processes,
    descendants,
    environment_value,
    facts,
    is_alive,
    kill_all,
    pid_namespace,
    this_process,
)

AGENT_VARIABLE = "HEADGATE_AGENT"
RUN_VARIABLE = "HEADGATE_RUN_ID"


class Mark(NamedTuple):
    """Who started a process: the text of `HEADGATE_AGENT`."""

    installation: str
    agent: str
    numbering: str
    supervisor: Process

    @classmethod
    def of_this_process(cls, installation: str, agent: str) -> "Mark":
        """The mark that children of the calling supervisor carry."""
        return cls(installation, agent, pid_namespace(), this_process())

    @classmethod
    def parse(cls, text: str) -> "Mark | None":
        """Read a mark; None when it is none of ours."""
        match text.split("/"):
            case [installation, agent, numbering, supervisor]:
                pid, _, started = supervisor.partition(".")
                if pid.isdigit() and started.isdigit():
                    return cls(installation, agent, numbering, Process(int(pid), int(started)))
        return None

    def __str__(self) -> str:
        return f"{self.installation}/{self.agent}/{self.numbering}/{self.supervisor.pid}.{self.supervisor.started}"

    def brand(self, run: int) -> Brand:
        """The brand of a run of this supervisor."""
        return Brand(who_is(*self[:3]), self.supervisor, run)

    def left_behind_for(self, heir: "Mark") -> bool:
        """Say whether what carries this mark was left to `heir` by a dead supervisor of the same agent."""
        return self[:3] == heir[:3] and self.supervisor != heir.supervisor and not is_alive(self.supervisor)


def group_name(mark: Mark) -> str:
    """What the control group of a supervisor is called."""
    return PREFIX + str(mark).replace("/", ":")


def left_groups(heir: Mark) -> list[ControlGroup]:
    """The control groups that dead supervisors of this agent left; empty ones of other dead supervisors are removed."""
    found = []
    for group in all_groups():
        mark = Mark.parse(group.name.removeprefix(PREFIX).replace(":", "/"))
        if mark is None or mark.numbering != heir.numbering or is_alive(mark.supervisor):
            continue
        if mark.left_behind_for(heir):
            found.append(group)
        else:
            group.remove()
    return found


def leftovers(heir: Mark, groups: Iterable[ControlGroup] = ()) -> Iterator[Process]:
    """Living processes, with all below them, that dead supervisors of this agent started, or that are in `groups`."""
    grouped = {pid for group in groups for pid in group.members()}
    for pid in all_processes():
        if pid == os.getpid() or not (pid in grouped or branded_for(heir, pid) or marked_for(heir, pid)):
            continue
        found = facts(pid)
        if found is not None and not found.dead:
            yield found.process
            yield from descendants(pid)


def marked_for(heir: Mark, pid: int) -> bool:
    """Whether the environment of a process says that a dead supervisor left it to `heir`."""
    text = environment_value(pid, AGENT_VARIABLE)
    mark = Mark.parse(text) if text else None
    return mark is not None and mark.left_behind_for(heir)


def branded_for(heir: Mark, pid: int) -> bool:
    """Whether its brand says so."""
    brand = brand_of(pid)
    if brand is None or brand.who != heir.brand(0).who:
        return False
    return brand.supervisor != heir.supervisor and not is_alive(brand.supervisor)


def sweep(heir: Mark, *, patience: float = 10.0) -> int:
    """Kill all leftovers and answer how many there were; TimeoutError when some are still there after `patience`."""
    killed = 0
    deadline = time.monotonic() + patience
    while True:
        groups = left_groups(heir)
        left = set(leftovers(heir, groups))
        if not left and not any(group.is_populated() for group in groups):
            break
        killed += kill_all(left)
        for group in groups:
            group.kill()
        if time.monotonic() > deadline:
            numbers = ", ".join(str(process.pid) for process in left)
            raise TimeoutError(f"processes of earlier runs of this agent can not be killed: {numbers}")
        time.sleep(0.01)
    for group in groups:
        group.remove()
    return killed
