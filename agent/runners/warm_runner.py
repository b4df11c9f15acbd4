"""Starts templates (`orchestrator.process.template`) and has them fork the processes of runs.

A fork gets its descriptors over the template's socket. It is a child of this supervisor as a cold process is, bears
the template's brand until it has said hello and gets its run's, and is not believed to be one otherwise.
"""

import hashlib
import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from agent.brands import brand_of
from agent.errors import NotLaunched
from agent.leftovers import RUN_VARIABLE
from agent.orders import Order
from agent.process_tree import facts
from agent.runners.limiting import apply
from agent.runners.subprocess_runner import LIFE, SOCKET, Launched, SubprocessRunner, close_all
from agent.templates import Key, Recipe
from orchestrator.process.frames import Splitter, WireError
from orchestrator.process.template import PLACEHOLDER

HELLO_BYTES = 4096
ORDER = (1, 2, SOCKET, LIFE)
"""In which order a template gets the descriptors of a fork."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A template's process, and the socket that orders go by."""

    launched: Launched
    orders: socket.socket


class WarmRunner:
    """The warm launches of one supervisor."""

    def __init__(self, runner: SubprocessRunner) -> None:
        self._runner = runner

    def key(self, order: Order) -> Key:
        """What a template must have been made for to be used for a run."""
        variables = self._variables(order)
        text = "\0".join(f"{name}={variables[name]}" for name in sorted(variables))
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        return Key(Recipe(order.code, order.interpreter, tuple(need.key for need in order.needs)), digest)

    def start(self, order: Order) -> Template:
        """Start a template for runs like this one; raises NotLaunched."""
        launched = self._runner.start_packed(order.interpreter, "template", self._variables(order))
        return Template(launched=launched, orders=socket.socket(fileno=os.dup(launched.channel)))

    def send(self, template: Template, order: Order) -> dict[int, int] | None:
        """Order a fork: the agent's ends of what connects it with the run, None when the template takes no more."""
        try:
            made = self._runner.descriptors()
        except NotLaunched:
            return None
        try:
            socket.send_fds(template.orders, [order.run_id.encode()], [made.theirs[number] for number in ORDER])
        except OSError:
            close_all(made.ours)
            return None
        finally:
            close_all(made.theirs)
        return made.ours

    def accept(self, template: Template, ours: Mapping[int, int], order: Order) -> Launched | None:
        """The fork that has said hello, as a process of the run; None when it is none of this template's."""
        pid = said_by(ours[SOCKET])
        found = facts(pid) if pid else None
        if found is None or found.parent != os.getpid() or brand_of(pid) != template.launched.brand:
            return None
        brand = self._runner.brand(pid)
        if brand_of(pid) != brand:
            # What it leaves behind would be taken for the template's.
            return None
        apply(pid, order.limits)
        return Launched(
            pid=pid, brand=brand, channel=ours[SOCKET], life=ours[LIFE], stdout=ours[1], stderr=ours[2], warm=True
        )

    def _variables(self, order: Order) -> dict[str, str]:
        return {**self._runner.variables(order), RUN_VARIABLE: PLACEHOLDER}


def said_by(channel: int) -> int:
    """The process id in the hello that waits on a socket, which stays there; 0 when there is none."""
    borrowed = socket.socket(fileno=channel)
    try:
        with suppress(OSError, WireError, KeyError, ValueError, TypeError):
            for kind, body in Splitter().feed(borrowed.recv(HELLO_BYTES, socket.MSG_PEEK)):
                return int(str(body["pid"])) if kind == "hello" else 0
        return 0
    finally:
        borrowed.detach()
