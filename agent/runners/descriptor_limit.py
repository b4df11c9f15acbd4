"""Enough descriptors for all runs of an agent, without handing the higher limit on to them."""

import resource
from contextlib import suppress

PER_RUN = 6
OWN = 64
TEMPLATES = 5 * 16


class DescriptorLimit:
    """The soft limit of open files: raised for the supervisor, put back for its children.

    Programs that still use select() break when they meet a number above 1024: the flow keeps what it would have had.
    """

    def __init__(self, runs: int) -> None:
        self._before = resource.getrlimit(resource.RLIMIT_NOFILE)
        soft, hard = self._before
        self.needed = OWN + TEMPLATES + PER_RUN * runs
        self.granted = soft
        if soft != resource.RLIM_INFINITY and soft < self.needed:
            self.granted = self.needed if hard == resource.RLIM_INFINITY else min(self.needed, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.granted, hard))
        self._raised = self.granted != soft

    @property
    def is_enough(self) -> bool:
        """Whether every run can have its descriptors."""
        return self.granted in (resource.RLIM_INFINITY,) or self.granted >= self.needed

    def put_back(self, pid: int) -> None:
        """Give a child the limit that this process was started with."""
        if self._raised:
            # The child may have ended already, or run as another user.
            with suppress(OSError):
                resource.prlimit(pid, resource.RLIMIT_NOFILE, self._before)
