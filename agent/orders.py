"""What the agent works on: a claimed run, and how it is to be launched. Frozen values, made from Redis at one place."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from agent.errors import NotLaunched
from agent.needs import Need
from agent.runners.limits import Limits
from agent.runners.outcome import Rules


@dataclass(frozen=True, slots=True)
class Ref:
    """A claim of a run: what Redis is shown to prove that it is still this agent's."""

    run_id: str
    token: int
    claim_id: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """A claimed run with everything that its launch needs."""

    ref: Ref
    attempt: int
    queue: str
    lease_seconds: float
    run_name: str
    deployment: str
    """`<flow>/<name>`."""
    code: str
    """Deployment and revision: what an agent that lacks the code backs off from."""
    path: str
    function: str
    folder: str
    working_dir: str
    environment: Mapping[str, str] = field(default_factory=dict)
    interpreter: str | None = None
    """The Python to run the flow with; None is the agent's own."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    rules: Rules = field(default_factory=Rules)
    limits: Limits = field(default_factory=Limits)
    limit: str = ""
    """The limit that every run of its deployment needs: those who lack the code leave these runs alone by it."""
    keep_when_cut: bool = False
    """The queue's `on_disconnect=keep`: the run goes on although another agent may start it, too."""
    needs: tuple[Need, ...] = ()
    """What has to be on this machine before its launch: its code, its environment."""
    missing: tuple[Need, ...] = ()
    """Those of them that are not there yet."""
    claimed_us: int = 0
    """When it was claimed, by Redis' clock."""
    links: str | None = None
    """The folder whose entries its private working folder links to; None when it has no folder of its own."""
    warm: bool = False
    """Its runs are forked from a process that has imported what they need, once there is one."""
    problem: NotLaunched | None = None
    """What stands against a launch on this machine, found by looking at its files."""

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.ref.run_id
