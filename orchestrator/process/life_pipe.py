"""Dying with the agent: the kernel kills the flow's process group when the agent's end of a pipe closes.

The pipe's read end asks for SIGKILL instead of SIGIO, for the whole process group. However the agent ends, the kernel
closes its descriptors, and that is the signal. It costs nothing while the agent lives, and needs no thread or poll.
"""

import os

from orchestrator.process.link import die

F_SETSIG = 10  # fcntl.F_SETSIG is missing from some builds; the number is the same on every Linux
SIGKILL = 9


def hold(fd: int) -> None:
    """Tie this process group to the pipe; ends the process when the other end is closed already.

    The caller must be the leader of its process group, which it is after setsid: the agent's group must not die.
    """
    import fcntl

    os.set_inheritable(fd, False)
    os.set_blocking(fd, False)
    group = os.getpgrp()
    if group == os.getpid():
        fcntl.fcntl(fd, fcntl.F_SETOWN, -group)
    else:
        fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, F_SETSIG, SIGKILL)
    flags = fcntl.fcntl(fd, fcntl.F_GETFL)
    fcntl.fcntl(fd, fcntl.F_SETFL, flags | os.O_ASYNC)
    # The agent may have died before the line above: then no signal comes any more.
    try:
        ended = os.read(fd, 1) == b""
    except BlockingIOError:
        return
    if ended:
        die()
