"""What the world tells the supervisor: every message that `agent.supervision` can be stepped with."""

from dataclasses import dataclass
from enum import Enum, IntEnum

from agent.errors import NotLaunched
from agent.orders import Order, Ref
from agent.runners.limits import Use
from agent.runners.outcome import Exit, Result, Verdict


class EndLevel(IntEnum):
    """How urgently the agent is to end; it only rises."""

    SERVING = 0
    DRAIN = 1
    """Claim nothing more, let runs end."""
    STOP = 2
    """End the runs by SIGTERM and SIGKILL, give them back."""
    ABANDON = 3
    """The keeper is dead: SIGKILL the runs, give them back."""


class Timer(Enum):
    """What a timer is for; those of a run are set under (timer, run id)."""

    POLL = "ask for runs although nobody woke us"
    RENEW = "renew the leases"
    LEASE = "the first lease is about to end"
    DRAIN = "the drain time is over"
    LEAVE = "what could not be delivered by now stays undelivered"
    TIME_OUT = "the run took longer than it may"
    KILL = "SIGTERM was ignored for long enough"
    LINGER = "the process did not end after its result"
    LOOK = "what the run uses is looked at"
    SHIP = "the finish does not wait longer for the logs"
    PREPARE = "a preparation that failed is tried again"
    TIDY = "places that no run uses are let go"


TimerKey = tuple[Timer, str]
"""A timer and the run (the need, for PREPARE) it belongs to, `""` for the agent's own."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """Redis answered a claim that was first sent at `sent_at`."""

    sent_at: float
    orders: tuple[Order, ...]
    refused: tuple[tuple[Ref, str], ...] = ()
    """Runs whose record is no order: the reference and what is wrong with it."""
    more: bool = False
    hold_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ClaimFailed:
    """Redis did not answer a claim; the next one asks for the same again."""


@dataclass(frozen=True, slots=True)
class Woken:
    """There is something for this agent: runs, or (`news`) what only a renewal can tell: a cancel, a drain, a stop."""

    news: bool = False


@dataclass(frozen=True, slots=True)
class LaunchRefused:
    """This machine can not start a run."""

    run_id: str
    error: NotLaunched


@dataclass(frozen=True, slots=True)
class Hello:
    """A run's process is there and waits for leave to load user code."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Redis answered a confirm: `ok`, `lost` or `cancelling`."""

    run_id: str
    answer: str


@dataclass(frozen=True, slots=True)
class ResultCame:
    """A flow said how it ended."""

    run_id: str
    result: Result


@dataclass(frozen=True, slots=True)
class WireBroken:
    """A run's process sent what is no frame."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A run's first process ended; others of its tree may be left."""

    run_id: str
    exit: Exit
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class TreeGone:
    """No process of the run is left, and what they wrote has been read."""

    run_id: str
    cpu_seconds: float = 0.0
    """What those of them used that its first process had not waited for."""
    max_rss_kb: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """What the processes of a run use now; looking took `took` seconds."""

    run_id: str
    use: Use
    took: float = 0.0


@dataclass(frozen=True, slots=True)
class LogsShipped:
    """Everything that the run wrote is in Redis."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Delivered:
    """Redis answered a finish or a release, whatever it answered."""

    run_id: str


@dataclass(frozen=True, slots=True)
class Renewed:
    """Redis answered a renewal that was sent at `sent_at`."""

    sent_at: float
    extended: frozenset[str]
    ended: tuple[tuple[str, Verdict], ...] = ()
    """Runs that must not go on, and why: lost, to be cancelled, stalled at their start."""
    level: EndLevel = EndLevel.SERVING
    """What an operator asks of the agent."""
    registered: bool = True


@dataclass(frozen=True, slots=True)
class NotRenewed:
    """A renewal sent at `sent_at` failed; `away` when a fresh connection showed that nobody can claim."""

    sent_at: float
    away: bool


@dataclass(frozen=True, slots=True)
class TimerDue:
    """A timer's moment has come."""

    key: TimerKey


@dataclass(frozen=True, slots=True)
class Signalled:
    """A signal to end: the first one drains, a further one stops."""


@dataclass(frozen=True, slots=True)
class AskedToEnd:
    """Someone else than a signal asks the agent to end."""

    level: EndLevel


class Fault(Enum):
    """Whose fault a failed preparation is."""

    FINAL = "a new try would end the same way"
    PASSING = "it may succeed the next time"
    MACHINE = "this machine has no room for it, or its disk is broken"
    OUTAGE = "Redis did not answer"


@dataclass(frozen=True, slots=True)
class Progressed:
    """What a preparation does now."""

    key: str
    what: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A preparation has ended: the need is there, or why not."""

    key: str
    fault: Fault | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class SpoolFull:
    """The disk takes no lines of runs any more, or takes them again."""

    full: bool


Message = (
    Claimed
    | ClaimFailed
    | Woken
    | LaunchRefused
    | Hello
    | Confirmed
    | ResultCame
    | WireBroken
    | Exited
    | TreeGone
    | Measured
    | LogsShipped
    | Delivered
    | Renewed
    | NotRenewed
    | TimerDue
    | Signalled
    | AskedToEnd
    | Progressed
    | Prepared
    | SpoolFull
)
