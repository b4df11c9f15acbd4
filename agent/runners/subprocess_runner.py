"""Starts the process of a run: a fresh interpreter in a session of its own, at the cost of a bare `posix_spawn`.

What the process inherits: descriptor 1 and 2 (pipes to the agent), 3 (the socket it talks to the agent over), 4 (the
read end of its life pipe), and 5 until it has read it (our modules: `agent.runners.pack`). Only the supervisor holds
the write end of the life pipe: should it die, however that happens, the kernel sends SIGKILL to the run's process group
(the child asks for that before it runs anything of the user's). Everything else of the agent is closed on exec. The
working directory is entered by the child itself: `posix_spawn` has none to give.
"""

import fcntl
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

from agent.brands import Brand
from agent.environments.stand_in import SDK_VARIABLE
from agent.errors import LaunchFailed, NotLaunched, NotOnThisMachine
from agent.leftovers import AGENT_VARIABLE, RUN_VARIABLE, Mark
from agent.orders import Order
from agent.runners.bootstrap import FOLDER, command
from agent.runners.descriptor_limit import DescriptorLimit
from agent.runners.environment import base_environment, environment, preparing_environment
from agent.runners.limiting import apply
from agent.runners.pack import Pack
from orchestrator.process.frames import VERSION, frame

SOCKET, LIFE, PACK = 3, 4, 5
PREPARING = f"import gc; gc.disable(); from agent.preparing import main; main({SOCKET}, {LIFE})"
PIPE_BYTES = 1 << 20
DEFAULT_SIGNALS = (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGUSR1)
"""Signals that this process ignores and its children must not."""

PIPE_BUDGET = 32 << 20
"""Bytes of all pipes together: the kernel grants an ordinary user 64 MiB of them in all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Launched:
    """A process that was started, and the agent's ends of what connects the two."""

    pid: int
    brand: Brand
    channel: int
    life: int
    stdout: int
    stderr: int
    warm: bool = False
    """Whether it was forked from a template."""


class SubprocessRunner:
    """Launches runs on this machine, for one supervisor."""

    def __init__(self, mark: Mark, own: Mapping[str, str], *, host: str, limit: int) -> None:
        self._mark = mark
        self._launches = 0
        self._base = base_environment(own)
        self._preparing = preparing_environment(own)
        self._host = host
        self.descriptor_limit = DescriptorLimit(limit)
        self._pack = Pack(above=PACK)
        self._pipe_bytes = max(1 << 16, min(PIPE_BYTES, PIPE_BUDGET // (2 * limit)))

    def launch(self, order: Order) -> Launched:
        """Start the process of a run and send it its order.

        Raises NotOnThisMachine when another agent may be able to, LaunchFailed when the deployment is at fault; the
        order's own problem first (`agent.runners.environment.problem_of`).
        """
        if order.problem is not None:
            raise order.problem
        launched = self.start_packed(order.interpreter, "child", self.variables(order))
        apply(launched.pid, order.limits)
        return launched

    def start_packed(self, interpreter: str | None, entry: str, variables: Mapping[str, str]) -> Launched:
        """Start a process that has our modules in its hands (`agent.runners.bootstrap`); raises NotLaunched."""
        words = command(interpreter, (SOCKET, LIFE), entry=entry, pack=(PACK, self._pack.size))
        return self.start(words, variables, {PACK: self._pack.fd})

    def variables(self, order: Order) -> dict[str, str]:
        """All variables of a run's process."""
        marks = {**self._marks(order.run_id), SDK_VARIABLE: FOLDER}
        return environment(self._base, order, marks)

    def launch_preparing(self, name: str) -> Launched:
        """Start a process that brings something here, under a name that is no run's (`agent.preparing`)."""
        return self.start([sys.executable, "-P", "-c", PREPARING], self._preparing | self._marks(name))

    def descriptors(self) -> "Descriptors":
        """What connects the agent with one more child; raises NotOnThisMachine."""
        return Descriptors(self._pipe_bytes)

    def brand(self, pid: int) -> Brand:
        """Brand the first process of one more run."""
        self._launches += 1
        brand = self._mark.brand(self._launches)
        brand.put(pid)
        return brand

    def _marks(self, name: str) -> dict[str, str]:
        return {AGENT_VARIABLE: str(self._mark), RUN_VARIABLE: name}

    def start(
        self, words: list[str], variables: Mapping[str, str], lent: Mapping[int, int] = MappingProxyType({})
    ) -> Launched:
        """Start a process with its descriptors, those that are lent to it, and its brand; raises NotLaunched."""
        made = self.descriptors()
        try:
            pid = self._spawn(words, variables, {**made.theirs, **lent})
        except NotLaunched:
            close_all(made.ours)
            raise
        finally:
            close_all(made.theirs)
        brand = self.brand(pid)
        self.descriptor_limit.put_back(pid)
        ours = made.ours
        return Launched(pid=pid, brand=brand, channel=ours[SOCKET], life=ours[LIFE], stdout=ours[1], stderr=ours[2])

    def _spawn(self, words: list[str], variables: Mapping[str, str], descriptors: Mapping[int, int]) -> int:
        try:
            return os.posix_spawn(
                words[0],
                words,
                variables,
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    *((os.POSIX_SPAWN_DUP2, source, target) for target, source in descriptors.items()),
                ],
                setsid=True,
                setsigmask=(),
                setsigdef=DEFAULT_SIGNALS,
            )
        except BlockingIOError as error:
            raise NotOnThisMachine(f"{self._host} can not start another process: {error.strerror}") from error
        except (OSError, ValueError) as error:
            # ValueError: the deployment's environment holds a name or value that no process can have.
            cause = error.strerror if isinstance(error, OSError) else error
            raise LaunchFailed(f"{words[0]} on {self._host} can not be started: {cause}") from error


class Descriptors:
    """What connects the agent with one child: the ends of each, by the number that the child knows it under.

    Sources lie above the numbers they are copied to: one copy would otherwise overwrite the source of the next.
    """

    def __init__(self, pipe_bytes: int) -> None:
        self.ours: dict[int, int] = {}
        self.theirs: dict[int, int] = {}
        try:
            self._open(pipe_bytes)
        except OSError as error:
            close_all(self.ours)
            close_all(self.theirs)
            raise NotOnThisMachine(f"no descriptors are left for another run: {error.strerror}") from error

    def _open(self, pipe_bytes: int) -> None:
        self.theirs[LIFE], self.ours[LIFE] = os.pipe()
        for target in (1, 2):
            self.ours[target], self.theirs[target] = os.pipe()
            with suppress(OSError):
                # Refused when the user's share is used up; the pipe is smaller then.
                fcntl.fcntl(self.ours[target], fcntl.F_SETPIPE_SZ, pipe_bytes)
        agents, childs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.ours[SOCKET], self.theirs[SOCKET] = agents.detach(), childs.detach()
        for target in (1, 2, SOCKET):
            os.set_blocking(self.ours[target], False)
        for target, source in self.theirs.items():
            self.theirs[target] = above(source)


def close_all(descriptors: Mapping[int, int]) -> None:
    """Close every one of them."""
    for fd in descriptors.values():
        os.close(fd)


def above(fd: int) -> int:
    """The same descriptor under a number that is none of the child's."""
    if fd > PACK:
        return fd
    moved = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, PACK + 1)
    os.close(fd)
    return moved


def start_frame(order: Order, *, learn: bool = False) -> bytes:
    """The first thing a run's process is told; with `learn` it tells at its end what it had imported."""
    return frame(
        "start",
        {
            **({"learn": True} if learn else {}),
            "version": VERSION,
            "run_id": order.run_id,
            "run_name": order.run_name,
            "attempt": order.attempt,
            "deployment": order.deployment,
            "path": order.path,
            "function": order.function,
            "folder": order.folder,
            "working_dir": order.working_dir,
            "links": order.links,
            "parameters": dict(order.parameters),
            "timeout_seconds": order.rules.timeout_seconds,
            "tags": list(order.tags),
        },
    )
