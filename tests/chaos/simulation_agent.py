"""A simulated agent: the real `Supervision` with its parts, on a host whose clock, life and network are simulated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.actions import (
    AskForRuns,
    ClearTimer,
    ClearTree,
    Confirm,
    Deliver,
    Forget,
    KillTree,
    Launch,
    Leave,
    LetGo,
    Register,
    Renew,
    SetDeadMan,
    SetTimer,
    ShipLogs,
    Terminate,
    Tidy,
)
from agent.claiming import Claiming
from agent.lease_clock import KILL_MARGIN_SECONDS, KILL_MARGIN_SHARE, LeaseClock
from agent.messages import Signalled, TimerDue, Woken
from agent.preparation import Preparer
from agent.redis_clients import RENEW_SHARE_OF_LEASE, RENEW_TIMEOUT_SECONDS
from agent.supervision import Supervision
from tests.chaos.simulation_calls import Calls, Renewals
from tests.chaos.simulation_flows import Flow
from tests.chaos.simulation_world import Wire, World

if TYPE_CHECKING:
    from tests.chaos.simulation_checks import Checks

LEAVE_SECONDS = 2.0


class Agent:
    """One host: keeper, supervisor, their threads, and the processes of runs."""

    def __init__(self, world: World, wire: Wire, checks: Checks, *, name: str, queues: tuple[str, ...], limit: int):
        self.world, self.wire, self.checks = world, wire, checks
        self.name, self.queues, self.limit = name, queues, limit
        self.occurred: Counter[str] = world.occurred
        self.lease = wire.redis.model.lease / 1e6
        self.start_timeout = wire.redis.model.start_timeout / 1e6
        self.patience = min(RENEW_TIMEOUT_SECONDS, RENEW_SHARE_OF_LEASE * self.lease)
        self.slow_kill = min(KILL_MARGIN_SECONDS, KILL_MARGIN_SHARE * self.lease) * 0.6
        self.typical = world.between(0.3, 2.5) * min(self.lease, 4.0)
        self.life = 0
        self.alive = self.frozen = self.suspended = False
        self.left = False
        self.freezes_next: bool | None = None
        """Whether to freeze, with the whole machine or not, right after the next call: the worst of moments."""
        self.froze_in_this_life = False
        self.troubles, self.troubled_at = 0, 0.0
        self.flows: dict[str, Flow] = {}
        self._offset, self._rate = world.between(0, 1e6), 1 + world.between(-1e-4, 1e-4)
        self._timers: dict[Any, int] = {}
        self._waiting: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._number = 0

    # -------------------------------------------------------------- life
    def start(self, dead: str = "") -> None:
        """A supervisor starts: it takes its name, from a dead one of this host when it knows that it is dead."""
        if self.alive:
            return
        self.life, self.alive, self.frozen, self.left = self.life + 1, True, False, False
        self.froze_in_this_life = self._joined = False
        self._timers.clear()
        self._waiting.clear()
        self.flows = {}
        self.calls, self.renewals = Calls(self), Renewals(self)
        claiming = Claiming(queues=self.queues, limit=self.limit)
        self.supervision = Supervision(
            claiming=claiming,
            preparer=Preparer(claiming=claiming),
            leases=LeaseClock(renew_seconds=self.lease / 6, outage_seconds=4 * self.lease),
            drain_seconds=self.world.dice.choice([0.5, 2.0]),
            kill_seconds=1.0,
        )
        self.world.say(self.name, f"starts as {self.instance}")
        self._join(dead)

    @property
    def instance(self) -> str:
        """What tells this supervisor from those before it."""
        return f"{self.name}.{self.life}"

    def _join(self, dead: str) -> None:
        instance = self.instance

        def call(model: Any) -> Any:
            released = model.register(self.name, instance, takeover=dead)
            self.checks.freed(released or [], "its agent started again")
            return released

        def then(how: str, answer: Any) -> None:
            if how == "ok" and answer is not None:
                self._joined = True
                self._perform(self.supervision.start(self.boot_time()))
            else:
                self.later(0.3, self._join, dead)

        self.ask(call, 5.0, then)

    def die(self, why: str) -> None:
        """The supervisor is gone, and by the kernel's hand every process below it."""
        if not self.alive:
            return
        self.world.say(self.name, f"dies: {why}")
        self.alive = self.suspended = self.frozen = False
        for flow in self.flows.values():
            if flow.alive:
                self.world.after(0.0 if why == "dead-man" else self.world.between(0, 0.01), flow.gone)

    def freeze(self, *, machine: bool) -> None:
        """SIGSTOP the supervisor, or suspend the whole machine."""
        self.freezes_next = None
        if self.alive and not self.frozen:
            self.frozen, self.suspended, self.froze_in_this_life = True, machine, True
            self.occurred["suspended machines" if machine else "frozen supervisors"] += 1
            self.world.say(self.name, "suspended" if machine else "frozen")

    def trouble(self, by: int) -> None:
        """Something that may keep it from Redis begins (1) or is over (-1)."""
        self.troubles += by
        self.troubled_at = self.world.now

    def thaw(self) -> None:
        """Go on where it stopped; a timer of the kernel comes first."""
        self.freezes_next = None
        if not self.alive or not self.frozen:
            return
        dead_man = self.supervision.dead_man
        if dead_man is not None and dead_man <= self.boot_time():
            for flow in self.flows.values():
                flow.gone()
            self.suspended = False
            self.dead_man(self.life)
            return
        self.frozen = self.suspended = False
        self.world.say(self.name, "thaws")
        waiting, self._waiting = self._waiting, []
        for call, given in waiting:
            self._if_able(self.life, call, *given)

    # -------------------------------------------------------------- time and calls
    def boot_time(self) -> float:
        """The clock of this host."""
        return self._offset + self._rate * self.world.now

    def later(self, seconds: float, call: Callable[..., object], *given: Any) -> None:
        """Do something in this supervisor, unless it dies before; a frozen one does it when it thaws."""
        self.world.after(seconds, self._if_able, self.life, call, *given)

    def _if_able(self, life: int, call: Callable[..., object], *given: Any) -> None:
        if not self.alive or life != self.life:
            return
        if self.frozen:
            self._waiting.append((call, given))
        else:
            call(*given)

    def ask(self, call: Callable[[Any], Any], timeout: float, then: Callable[[str, Any], None]) -> None:
        """Call Redis from this host."""
        life = self.life

        def heard(how: str, answer: Any) -> None:
            if how == "ok" and self.wire.process != self.wire.redis.process:
                self.wire.process = self.wire.redis.process
                self._if_able(life, self.hear, Woken(news=True))
            self._if_able(life, then, how, answer)

        self.wire.ask(call, timeout, heard)
        if self.freezes_next is not None:
            self.freeze(machine=self.freezes_next)

    def fresh_id(self) -> str:
        """An id of a claim."""
        self._number += 1
        return f"{self.instance}-{self._number}"

    # -------------------------------------------------------------- decisions
    def hear(self, message: Any) -> None:
        """Tell the supervisor; it hears when it is awake."""
        self._if_able(self.life, self._step, message)

    def _step(self, message: Any) -> None:
        if self.left or not self._joined:
            return
        self.world.say(self.name, message)
        self._perform(self.supervision.step(self.boot_time(), message))

    def signal(self) -> None:
        """SIGTERM."""
        self.hear(Signalled())

    def _perform(self, actions: list[Any]) -> None:
        for action in actions:
            if self.world.tracing:
                self.world.say(self.name, f"  → {action}")
            match action:
                case AskForRuns() | Confirm() | Deliver() | Register():
                    self.calls.put(action)
                case Renew():
                    self.renewals.put(action)
                case SetTimer(key=key, at=at):
                    self._set(key, at)
                case ClearTimer(key=key):
                    self._timers.pop(key, None)
                case SetDeadMan(at=at):
                    self._set_dead_man(at)
                case Launch(order=order):
                    flow = self.flows[order.run_id] = Flow(order, self, self.life)
                    flow.launch()
                case Leave():
                    self._leave()
                case Tidy():
                    continue  # its runs need nothing that would have to be brought here
                case _ if action.run_id in self.flows:
                    self._on_flow(self.flows[action.run_id], action)

    def _on_flow(self, flow: Flow, action: Any) -> None:
        match action:
            case LetGo():
                flow.let_go()
            case Terminate():
                flow.terminate()
            case KillTree():
                flow.kill()
            case ClearTree(grace=grace):
                flow.clear(grace)
            case ShipLogs():
                flow.ship()
            case Forget():
                self.checks.forgets(flow)

    def _set(self, key: Any, at: float) -> None:
        self._number += 1
        self._timers[key] = number = self._number
        wait = max(0.0, (at - self.boot_time()) / self._rate)
        self.later(wait, self._due, key, number)

    def _due(self, key: Any, number: int) -> None:
        if self._timers.get(key) == number:
            del self._timers[key]
            self._step(TimerDue(key))

    def _set_dead_man(self, at: float | None) -> None:
        if at is not None:
            self.world.after(max(0.0, (at - self.boot_time()) / self._rate) + 1e-6, self.dead_man, self.life)

    def dead_man(self, life: int) -> None:
        """The kernel's timer: kills when the supervisor did not move it on."""
        at = self.supervision.dead_man
        if self.alive and life == self.life and not self.suspended and at is not None and at <= self.boot_time():
            self.checks.dead_man(self)
            self.die("dead-man")
            self.world.after(1.0, self.start, self.instance)

    def _leave(self) -> None:
        self.left = True
        self.checks.leaves(self)
        instance = self.instance

        def gone(*_: object) -> None:
            self.die("left")

        self.ask(lambda model: model.unregister(self.name, instance), LEAVE_SECONDS, gone)
