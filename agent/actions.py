"""What the supervisor does to the world: the actions that `agent.supervision` decides on and `agent.shell` performs."""

from dataclasses import dataclass

from agent.messages import TimerKey
from agent.needs import Need
from agent.orders import Order, Ref
from agent.runners.outcome import Delivery


@dataclass(frozen=True, slots=True)
class AskForRuns:
    """Claim up to `count` runs from these queues; the answer is Claimed or ClaimFailed.

    Runs that need a slot of a limit in `avoid` are left where they are in line.
    """

    queues: tuple[str, ...]
    count: int
    avoid: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Launch:
    """Start the process of a run; it answers Hello, or LaunchRefused comes."""

    order: Order


@dataclass(frozen=True, slots=True)
class Confirm:
    """Ask Redis whether the claim still stands; the answer is Confirmed."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class LetGo:
    """Tell a run's process to load and run the flow."""

    run_id: str


@dataclass(frozen=True, slots=True)
class TellToStop:
    """Tell a run's process to end without running the flow, or to end it early."""

    run_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Terminate:
    """SIGTERM to the process group of a run."""

    run_id: str


@dataclass(frozen=True, slots=True)
class KillTree:
    """SIGKILL to every process of a run; Exited comes for the first of them."""

    run_id: str


@dataclass(frozen=True, slots=True)
class ClearTree:
    """Give what is left of an ended run's tree `grace` seconds to end, then kill it; TreeGone comes."""

    run_id: str
    grace: float


@dataclass(frozen=True, slots=True)
class Measure:
    """Look what the processes of a run use; Measured comes."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Note:
    """Say something about a run in its own log."""

    run_id: str
    text: str


@dataclass(frozen=True, slots=True)
class ShipLogs:
    """Send all that the run wrote without waiting for more; LogsShipped comes."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Tell Redis how a run ended, or give it back; Delivered comes, in an outage later."""

    ref: Ref
    delivery: Delivery


@dataclass(frozen=True, slots=True)
class Forget:
    """A run is over: close what is left of it."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Renew:
    """Extend the leases of these runs (reference, confirmed); the answer is Renewed or NotRenewed."""

    held: tuple[tuple[Ref, bool], ...]
    state: str
    preparing: str = ""
    """What is being prepared for which deployment, as the agent's presence shows it (JSON); "" for nothing."""


@dataclass(frozen=True, slots=True)
class Register:
    """Redis does not know this agent any more: register again."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Bring a need onto this machine, in a process of its own; Progressed comes meanwhile, Prepared at the end."""

    need: Need


@dataclass(frozen=True, slots=True)
class StopPreparing:
    """End all preparations at once; nothing comes of them any more."""


@dataclass(frozen=True, slots=True)
class Tidy:
    """Let go of every place that no run of these needs (by their keys) uses."""

    used: frozenset[str]


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Call back with TimerDue at a moment of `boot_time`, instead of at the moment set before."""

    key: TimerKey
    at: float


@dataclass(frozen=True, slots=True)
class ClearTimer:
    """Do not call back."""

    key: TimerKey


@dataclass(frozen=True, slots=True)
class SetDeadMan:
    """Let the kernel kill this supervisor at `at` unless told otherwise before; None: at no time."""

    at: float | None


@dataclass(frozen=True, slots=True)
class Leave:
    """Unregister and end the process."""


Action = (
    AskForRuns
    | Launch
    | Confirm
    | LetGo
    | TellToStop
    | Terminate
    | KillTree
    | ClearTree
    | Measure
    | Note
    | ShipLogs
    | Deliver
    | Forget
    | Renew
    | Register
    | Prepare
    | StopPreparing
    | Tidy
    | SetTimer
    | ClearTimer
    | SetDeadMan
    | Leave
)
