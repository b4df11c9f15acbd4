"""Entry point of a flow's process: greet the agent, wait for its go, run the flow, answer, leave.

Started by `agent.runners.bootstrap` with the numbers of its socket and its life pipe, in a session of its
own. The greeting comes first, so that the agent confirms the claim while the rest of the SDK is being loaded; all of
it is loaded before the user's folder comes onto sys.path.
"""

import os

from orchestrator.process import frames
from orchestrator.process.link import Link, die

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Start = dict[str, Any]


def main(fd: int, life: int = -1) -> None:
    """The whole life of a flow's process; never returns."""
    link = Link(fd)
    greet(link)
    if life >= 0:
        from orchestrator.process import life_pipe

        life_pipe.hold(life)
    from orchestrator.process import execution

    start = await_go(link)
    result = execution.outcome(link, start)
    if start.get("learn"):
        from orchestrator.process import learning

        learning.tell(link, start, result)
    link.send("result", result)
    os._exit(0)


def greet(link: Link) -> None:
    """Say that this process is there."""
    link.send("hello", {"version": frames.VERSION, "pid": os.getpid()})


def await_go(link: Link) -> "Start":
    """The start order, once the agent says go; a superseded process ends here without touching user code."""
    start: Start | None = None
    while True:
        received = link.receive()
        if received is None:
            die()
            raise SystemExit
        kind, body = received
        if kind == "start":
            start = body
        elif kind == "stop" or kind == "cancel":
            os._exit(0)
        elif kind == "go" and start is not None:
            return start
