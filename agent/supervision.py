"""The decisions of a supervisor, without touching the world: `step(now, message)` gives the actions to perform.

Duties:
1. Ask for runs while slots are free (`agent.claiming`), and see each through its life (`agent.run_life`).
2. Renew leases, kill runs whose lease is about to end, set the kernel's timer for the case that this process can not
   (`agent.lease_clock`).
3. Have what runs need prepared, while others run (`agent.preparation`).
4. Drain: claim nothing, let runs end, after the drain time end them; then unregister and leave.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from agent import lease_clock
from agent.actions import (
    Action,
    ClearTimer,
    Deliver,
    KillTree,
    Launch,
    Leave,
    Register,
    Renew,
    SetDeadMan,
    SetTimer,
    Tidy,
)
from agent.claiming import Claiming
from agent.errors import NotOnThisMachine
from agent.lease_clock import LeaseClock
from agent.messages import (
    AskedToEnd,
    Claimed,
    ClaimFailed,
    Confirmed,
    EndLevel,
    Exited,
    LaunchRefused,
    Message,
    NotRenewed,
    Prepared,
    Progressed,
    Renewed,
    Signalled,
    SpoolFull,
    Timer,
    TimerDue,
    TreeGone,
    Woken,
)
from agent.orders import Order
from agent.preparation import Preparer
from agent.run_life import Phase, RunLife
from agent.runners.outcome import GiveBack, Verdict, unusable

MOVES_LEASES = (Claimed, Renewed, NotRenewed, Exited, LaunchRefused, TreeGone)
"""Messages after which the first lease to end may be another one."""

TIDY_SECONDS = 300.0
STOP_PATIENCE_SECONDS = 2.0
"""How long a stopping agent tries to tell Redis about its runs after the last of their processes is gone."""


@dataclass(kw_only=True)
class Supervision:
    """The state of one supervisor."""

    claiming: Claiming
    leases: LeaseClock
    preparer: Preparer
    drain_seconds: float | None
    kill_seconds: float
    runs: dict[str, RunLife] = field(default_factory=dict)
    level: EndLevel = EndLevel.SERVING
    spool_full: bool = False
    """The disk takes no lines of runs: nothing new is claimed."""
    leaving: bool = False
    """Only undelivered ends keep the agent from leaving."""
    left: bool = False
    dead_man: float | None = None

    def start(self, now: float) -> list[Action]:
        """The first actions, once the agent is registered."""
        tidy = SetTimer((Timer.TIDY, ""), now + TIDY_SECONDS)
        return [SetTimer((Timer.RENEW, ""), self.leases.next_renewal(now, self.runs.values())), tidy, *self._ask(now)]

    def step(self, now: float, message: Message) -> list[Action]:
        """What to do about one message."""
        actions = self._react(now, message)
        if isinstance(message, MOVES_LEASES):
            actions += self._guard()
        if self.level is not EndLevel.SERVING:
            actions += self._leave_when_done(now)
        return actions

    def _react(self, now: float, message: Message) -> list[Action]:
        match message:
            case Claimed():
                return self._on_claimed(now, message)
            case ClaimFailed():
                return self.claiming.failed(now)
            case Woken(news=True):
                return self._renew(now)
            case Woken():
                return self._ask(now)
            case Renewed() | NotRenewed():
                return self._on_renewal(now, message)
            case Signalled():
                return self._end(now, EndLevel.DRAIN if self.level is EndLevel.SERVING else EndLevel.STOP)
            case SpoolFull(full=full):
                self.spool_full = full
                # Whoever lists the agents sees at once why this one takes nothing.
                return [*self._renew(now), *self._ask(now)]
            case AskedToEnd(level=level):
                return self._end(now, level)
            case Progressed() | Prepared() | TimerDue(key=(Timer.PREPARE, _)):
                return self._on_preparation(now, message)
            case TimerDue(key=(timer, "")):
                return self._on_timer(now, timer)
            case TimerDue(key=(_, run_id)):
                return self._tell(now, run_id, message)
            case _:
                return self._tell(now, message.run_id, message)

    def _on_claimed(self, now: float, message: Claimed) -> list[Action]:
        actions: list[Action] = [Deliver(ref, unusable(reason)) for ref, reason in message.refused]
        before = self.preparer.shown()
        for order in message.orders:
            actions += self._take(now, order, message.sent_at)
        if self.preparer.shown() != before:
            # Whoever asks why the run waits sees it at once.
            actions += self._renew(now)
        sooner = self.leases.sooner(now, self.runs.values())
        if sooner is not None:
            actions.append(SetTimer((Timer.RENEW, ""), sooner))
        found = bool(message.orders or message.refused)
        # What only has to be prepared took no slot: there may be other runs for it.
        more = message.more or any(order.missing for order in message.orders)
        again = self.claiming.answered(now, found=found, more=more, hold_seconds=message.hold_seconds)
        return [*actions, *(self._ask(now) if again else []), *self._poll(now)]

    def _take(self, now: float, order: Order, sent_at: float) -> list[Action]:
        if self.level is not EndLevel.SERVING:
            return [Deliver(order.ref, GiveBack("the agent stops"))]
        if order.run_id in self.runs:
            self.claiming.back_off(now, order)
            return [Deliver(order.ref, GiveBack("an earlier attempt of it is still being ended here"))]
        if order.missing and order.problem is None:
            return self.preparer.take(now, order)
        run = RunLife(order=order, lease_from=sent_at, kill_seconds=self.kill_seconds)
        if lease_clock.kill_at(run) <= now:
            return [Deliver(order.ref, GiveBack("the answer to its claim came when its lease was about to end"))]
        self.runs[order.run_id] = run
        return [Launch(order)]

    def _on_preparation(self, now: float, message: Progressed | Prepared | TimerDue) -> list[Action]:
        if isinstance(message, TimerDue):
            return self.preparer.try_again(message.key[1])
        actions = self.preparer.hear(now, message)
        ended = isinstance(message, Prepared)
        return [*actions, *(self._renew(now) if ended else []), *(self._ask(now) if ended else [])]

    def _tell(self, now: float, run_id: str, message: Message) -> list[Action]:
        run = self.runs.get(run_id)
        if run is None:
            return []
        before = run.takes_a_slot
        actions = run.on(now, message)
        if run.phase is Phase.OVER:
            del self.runs[run_id]
        if isinstance(message, LaunchRefused) and isinstance(message.error, NotOnThisMachine):
            self.claiming.back_off(now, run.order)
        if isinstance(message, Confirmed):
            self.claiming.has_code(run.order)
        # Calls go out in order: the claim that follows the finish finds the slot free.
        return [*actions, *(self._ask(now) if before and not run.takes_a_slot else [])]

    def _on_renewal(self, now: float, message: Renewed | NotRenewed) -> list[Action]:
        timer = (Timer.RENEW, "")
        if isinstance(message, NotRenewed):
            runs = self.runs.values()
            too_long = self.leases.failed(message.sent_at, away=message.away, runs=runs)
            ended = self._end_runs(now, lease_clock.bound(runs), Verdict.AWAY) if too_long else []
            return [SetTimer(timer, self.leases.next_renewal(now, self.runs.values())), *ended]
        extended = [run for run_id, run in self.runs.items() if run_id in message.extended]
        back = self.leases.answered(message.sent_at, extended)
        actions: list[Action] = [SetTimer(timer, self.leases.next_renewal(now, self.runs.values()))]
        for run_id, verdict in message.ended:
            if run_id in self.runs:
                actions += self.runs[run_id].end(now, verdict)
        if not message.registered:
            actions.append(Register())
        return [*actions, *self._end(now, message.level), *(self._ask(now) if back else [])]

    def _on_timer(self, now: float, timer: Timer) -> list[Action]:
        match timer:
            case Timer.POLL:
                return self._ask(now)
            case Timer.RENEW:
                return self._renew(now)
            case Timer.LEASE:
                due = [run for run in lease_clock.bound(self.runs.values()) if lease_clock.kill_at(run) <= now]
                return self._end_runs(now, due, Verdict.CUT)
            case Timer.DRAIN:
                return self._end(now, EndLevel.STOP)
            case Timer.TIDY:
                used = frozenset(need.key for run in self.runs.values() for need in run.order.needs)
                return [Tidy(used), SetTimer((Timer.TIDY, ""), now + TIDY_SECONDS)]
            case Timer.LEAVE:
                self.runs.clear()
        return []

    def _end(self, now: float, level: EndLevel) -> list[Action]:
        if level <= self.level:
            return []
        self.level, self.leaving = level, False
        # Whoever lists the agents sees at once that this one drains.
        actions = [*self.preparer.stop(), *(self._renew(now) if self.runs else [])]
        if level is EndLevel.DRAIN:
            if self.drain_seconds is not None:
                actions.append(SetTimer((Timer.DRAIN, ""), now + self.drain_seconds))
            return actions
        actions += self._end_runs(now, self.runs.values(), Verdict.DRAINED)
        if level is EndLevel.ABANDON:
            actions += [KillTree(run_id) for run_id, run in self.runs.items() if run.has_processes]
        return actions

    def _end_runs(self, now: float, runs: Iterable[RunLife], verdict: Verdict) -> list[Action]:
        return [action for run in runs for action in run.end(now, verdict)]

    def _ask(self, now: float) -> list[Action]:
        if self.level is not EndLevel.SERVING or self.spool_full or not self.leases.reachable:
            return []
        return self.claiming.ask(now, sum(run.takes_a_slot for run in self.runs.values()))

    def _poll(self, now: float) -> list[Action]:
        return [] if self.claiming.asking or self.level is not EndLevel.SERVING else self.claiming.poll(now)

    def _renew(self, now: float) -> list[Action]:
        if not self.leases.send():
            return []
        held = tuple((run.order.ref, run.confirmed) for run in self.runs.values() if run.needs_renewal(now))
        return [Renew(held, self.state, self.preparer.shown())]

    @property
    def state(self) -> str:
        """What this agent says of itself."""
        if self.level is EndLevel.SERVING:
            return "spool full" if self.spool_full else "running"
        return "draining" if self.level is EndLevel.DRAIN else "stopping"

    def _guard(self) -> list[Action]:
        """Keep both deadlines in step with the leases: our own kill, and the kernel's."""
        bound = lease_clock.bound(self.runs.values())
        dead_man, first = lease_clock.dead_man(bound), lease_clock.first_kill(bound)
        if dead_man == self.dead_man:
            return []
        self.dead_man = dead_man
        lease = (Timer.LEASE, "")
        return [SetDeadMan(dead_man), ClearTimer(lease) if first is None else SetTimer(lease, first)]

    def _leave_when_done(self, now: float) -> list[Action]:
        if not self.runs and not self.left:
            return self._leave()
        if self.left or self.leaving or any(run.takes_a_slot for run in self.runs.values()):
            return []
        self.leaving = True
        patience = self.leases.outage_seconds if self.level is EndLevel.DRAIN else STOP_PATIENCE_SECONDS
        return [SetTimer((Timer.LEAVE, ""), now + patience)]

    def _leave(self) -> list[Action]:
        self.left = True
        return [Leave()]
