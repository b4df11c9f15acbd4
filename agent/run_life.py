"""The life of one run on this machine, decided without touching the world: messages in, actions out.

STARTING    its process has been started and says hello
CONFIRMING  Redis is asked whether the claim still stands; only then user code is loaded
RUNNING     the flow runs
CLEARING    its first process has ended; whatever is left of its tree is ended, what was written is read
SHIPPING    its last log lines are on their way, for 2 s at most
DELIVERING  its end is being told to Redis, in an outage for as long as that takes
OVER        nothing of it is left here
"""

from dataclasses import dataclass, field, replace
from enum import Enum

from agent.actions import (
    Action,
    ClearTimer,
    ClearTree,
    Confirm,
    Deliver,
    Forget,
    KillTree,
    LetGo,
    Measure,
    Note,
    SetTimer,
    ShipLogs,
    TellToStop,
    Terminate,
)
from agent.errors import NotLaunched, NotOnThisMachine
from agent.messages import (
    Confirmed,
    Delivered,
    Exited,
    Hello,
    LaunchRefused,
    LogsShipped,
    Measured,
    Message,
    ResultCame,
    Timer,
    TimerDue,
    TreeGone,
    WireBroken,
)
from agent.orders import Order
from agent.runners.limits import LOOK_SECONDS, Use, limit_met, over, pause, reason
from agent.runners.outcome import Delivery, Ending, Exit, GiveBack, Result, Verdict, delivery, failed
from queues.claims import Outcome
from queues.states import State

GRACE_SECONDS = 0.2
"""How long processes that a flow left behind may go on writing after its own end."""

LINGER_SECONDS = 5.0
"""How long a flow's process may take to end after it sent its result."""

SHIP_SECONDS = 2.0
DELIVERY_SECONDS = 1.0
"""How long the telling of an end takes at most when Redis answers."""

TIME_OUT_GRACE_SECONDS = 1.0
"""How much later than the flow's process itself the agent enforces a time-out: the flow may say it better."""


class Phase(Enum):
    """Where a run stands on this machine; see the module."""

    STARTING = "starting"
    CONFIRMING = "confirming"
    RUNNING = "running"
    CLEARING = "clearing"
    SHIPPING = "shipping"
    DELIVERING = "delivering"
    OVER = "over"


TIMERS_OF_PROCESS = (Timer.TIME_OUT, Timer.KILL, Timer.LINGER, Timer.LOOK)
WITH_PROCESSES = (Phase.STARTING, Phase.CONFIRMING, Phase.RUNNING, Phase.CLEARING)


@dataclass(kw_only=True)
class RunLife:
    """One run from its launch until Redis knows its end."""

    order: Order
    lease_from: float
    """When the call that last extended the lease was sent."""
    kill_seconds: float
    phase: Phase = Phase.STARTING
    confirmed: bool = False
    verdict: Verdict | None = None
    result: Result | None = None
    exit: Exit = field(default_factory=Exit)
    peak: Use = field(default_factory=Use)
    over: str | None = None
    """The limit that the run was ended for."""
    last_words: str = ""
    launch_error: NotLaunched | None = None
    delivering_since: float = 0.0

    @property
    def has_processes(self) -> bool:
        """Whether processes of the run may exist: they must be gone before its lease ends."""
        return self.phase in WITH_PROCESSES

    @property
    def takes_a_slot(self) -> bool:
        """Whether the run counts against the agent's own limit."""
        return self.phase not in (Phase.DELIVERING, Phase.OVER)

    def needs_renewal(self, now: float) -> bool:
        """Whether the lease still matters: an end that is just being told must not be asked about meanwhile."""
        return self.phase is not Phase.DELIVERING or now - self.delivering_since > DELIVERY_SECONDS

    def on(self, now: float, message: Message) -> list[Action]:
        """One step of the run's life."""
        match message:
            case Hello() if self.phase is Phase.STARTING:
                self.phase = Phase.CONFIRMING
                return [Confirm(self.order.ref)]
            case Confirmed(answer=answer) if self.phase is Phase.CONFIRMING:
                return self._on_confirmed(now, answer)
            case ResultCame(result=result) if self.phase is Phase.RUNNING and self.verdict in (None, Verdict.DRAINED):
                self.result = result
                return [self._set(Timer.LINGER, now + LINGER_SECONDS), self._clear(Timer.TIME_OUT)]
            case WireBroken():
                return self.end(now, Verdict.FORGED)
            case Exited() | LaunchRefused():
                return self._on_end_of_process(now, message)
            case TreeGone() if self.verdict is Verdict.LOST:
                return self._over()
            case Measured() if self.phase is Phase.RUNNING and self.result is None:
                return self._on_measured(now, message)
            case TreeGone() if self.phase is Phase.CLEARING:
                self.phase = Phase.SHIPPING
                self.exit = total(self.exit, message)
                return [*self._note_end(), ShipLogs(self.order.run_id), self._set(Timer.SHIP, now + SHIP_SECONDS)]
            case LogsShipped() if self.phase is Phase.SHIPPING:
                return self._deliver(now)
            case Delivered():
                return self._over()
            case TimerDue(key=(timer, _)):
                return self._on_timer(now, timer)
        return []

    def end(self, now: float, verdict: Verdict) -> list[Action]:
        """End the run's processes, politely or at once; a run that has none left only forgets what it may not tell."""
        stronger = self.verdict is None or (verdict.at_once and not self.verdict.at_once) or verdict is Verdict.LOST
        if self.phase is Phase.OVER or not stronger:
            return []
        if self.phase in (Phase.SHIPPING, Phase.DELIVERING):
            # Its end is on its way and Redis refuses it should the claim be gone: nothing is left to end here.
            return []
        if self.result is not None and not verdict.at_once:
            # The flow has ended in its own words; its process is about to.
            return []
        self.verdict = verdict
        if self.phase is Phase.CLEARING:
            return [KillTree(self.order.run_id)] if verdict.at_once else []
        told = TellToStop(self.order.run_id, verdict.value)
        if verdict.at_once:
            return [told, KillTree(self.order.run_id)]
        noted = Note(self.order.run_id, f"the run is ended: {verdict.value}")
        return [noted, told, Terminate(self.order.run_id), self._set(Timer.KILL, now + self.kill_seconds)]

    def _on_confirmed(self, now: float, answer: str) -> list[Action]:
        if self.verdict is not None:
            return []
        if answer != "ok":
            return self.end(now, Verdict.LOST if answer == "lost" else Verdict.CANCELLED)
        self.phase, self.confirmed = Phase.RUNNING, True
        timeout = self.order.rules.timeout_seconds
        actions: list[Action] = [LetGo(self.order.run_id)]
        if timeout is not None:
            actions.append(self._set(Timer.TIME_OUT, now + timeout + TIME_OUT_GRACE_SECONDS))
        if self.order.limits.are_watched:
            actions.append(self._set(Timer.LOOK, now + LOOK_SECONDS))
        return actions

    def _on_measured(self, now: float, message: Measured) -> list[Action]:
        self.peak = self.peak.most(message.use)
        name = over(self.order.limits, message.use)
        if name is None or self.over is not None:
            return [self._set(Timer.LOOK, now + pause(message.took))]
        self.over = name
        return self.end(now, Verdict.OVER_LIMIT)

    def _on_end_of_process(self, now: float, message: Exited | LaunchRefused) -> list[Action]:
        if isinstance(message, LaunchRefused):
            self.launch_error = message.error
            return self._deliver(now)
        self.exit, self.last_words = message.exit, message.last_words
        if self.peak.memory_bytes > self.exit.max_rss_kb * 1024:
            self.exit = replace(self.exit, max_rss_kb=self.peak.memory_bytes // 1024)
        self.phase = Phase.CLEARING
        grace = GRACE_SECONDS if self.verdict is None else 0.0
        timers: list[Action] = [self._clear(timer) for timer in TIMERS_OF_PROCESS]
        return [*timers, ClearTree(self.order.run_id, grace)]

    def _on_timer(self, now: float, timer: Timer) -> list[Action]:
        if timer is Timer.TIME_OUT and self.phase is Phase.RUNNING:
            return self.end(now, Verdict.TIMED_OUT)
        if timer is Timer.LOOK and self.phase is Phase.RUNNING and self.result is None:
            return [Measure(self.order.run_id)]
        if timer in (Timer.KILL, Timer.LINGER) and self.has_processes:
            return [KillTree(self.order.run_id)]
        if timer is Timer.SHIP and self.phase is Phase.SHIPPING:
            return self._deliver(now)
        return []

    def _deliver(self, now: float) -> list[Action]:
        said = self._said()
        if said is None:
            return self._over()
        self.phase, self.delivering_since = Phase.DELIVERING, now
        return [self._clear(Timer.SHIP), Deliver(self.order.ref, said)]

    def _said(self) -> Delivery:
        ending = Ending(
            rules=self.order.rules,
            exit=self.exit,
            verdict=self.verdict,
            result=self.result,
            confirmed=self.confirmed,
            last_words=self.last_words,
            over_limit=self._over_limit(),
        )
        if isinstance(self.launch_error, NotOnThisMachine):
            return GiveBack(str(self.launch_error))
        if self.launch_error is not None:
            return failed(ending, str(self.launch_error))
        return delivery(ending)

    def _over_limit(self) -> str:
        """Which limit the run came to its end by, in words."""
        limits = self.order.limits
        name = self.over or limit_met(limits, self.exit, self.result)
        if name is None:
            return ""
        used = Use(memory_bytes=self.exit.max_rss_kb * 1024, cpu_seconds=self.exit.cpu_seconds)
        return reason(name, limits, self.peak.most(used))

    def _note_end(self) -> list[Action]:
        """What the flow could not say itself stands in its log too."""
        said = self._said()
        told = self.result is not None and not self._over_limit()
        if told or not isinstance(said, Outcome) or said.state not in (State.FAILED, State.CRASHED):
            return []
        return [Note(self.order.run_id, said.reason)]

    def _over(self) -> list[Action]:
        self.phase = Phase.OVER
        return [self._clear(Timer.SHIP), Forget(self.order.run_id)]

    def _set(self, timer: Timer, at: float) -> SetTimer:
        return SetTimer((timer, self.order.run_id), at)

    def _clear(self, timer: Timer) -> ClearTimer:
        return ClearTimer((timer, self.order.run_id))


def total(exit: Exit, gone: TreeGone) -> Exit:
    """What all processes of a run used: the first one, and those that it had not waited for."""
    return replace(
        exit,
        cpu_seconds=exit.cpu_seconds + gone.cpu_seconds,
        max_rss_kb=max(exit.max_rss_kb, gone.max_rss_kb),
    )
