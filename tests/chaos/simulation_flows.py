"""Simulated processes of runs: when they say hello, how long they run, how they end, how long killing them takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.errors import NotOnThisMachine
from agent.messages import Exited, Hello, LaunchRefused, LogsShipped, ResultCame, TreeGone
from agent.orders import Order
from agent.runners.outcome import Exit, Result
from queues.states import State

if TYPE_CHECKING:
    from tests.chaos.simulation_agent import Agent


@dataclass(eq=False)
class Flow:
    """The processes of one attempt on one agent; `alive` until the last of them is gone."""

    order: Order
    agent: Agent
    life: int
    alive: bool = True
    running: bool = False
    """User code is being executed."""
    since: float = 0.0
    leave: str = ""
    """What Redis answered to the confirm."""
    ending: bool = False
    exited: bool = False

    @property
    def executes(self) -> bool:
        """Whether user code makes progress: a process of a suspended machine makes none."""
        return self.alive and self.running and not self.agent.suspended

    # -------------------------------------------------------------- what the agent does
    def launch(self) -> None:
        """Start the process."""
        world = self.agent.world
        self.since = world.now
        if world.chance(0.02):
            self.gone()
            self._tell(LaunchRefused(self.order.run_id, NotOnThisMachine("no such file here")))
            return
        slow = world.chance(0.15)
        self._later(world.between(0.5, 1.5 * self.agent.start_timeout) if slow else 0.05, self._hello)

    def let_go(self) -> None:
        """Load and run the flow."""
        self._later(0.001, self._begin)

    def terminate(self) -> None:
        """SIGTERM: most flows end soon, some never."""
        world = self.agent.world
        if not self.ending and world.chance(0.7):
            self._later(world.between(0.01, 3.0), self._exit, None, 15)

    def kill(self) -> None:
        """SIGKILL to the tree, which takes its time."""
        self.ending = True
        self._later(self.agent.world.between(0.001, self.agent.slow_kill), self._exit, None, 9)

    def clear(self, grace: float) -> None:
        """End what is left of the tree."""
        world = self.agent.world
        left = world.chance(0.2)
        self._later((grace if left else 0.0) + world.between(0.001, self.agent.slow_kill / 2), self._tree_gone)

    def ship(self) -> None:
        """Send the last lines; sometimes they hang."""
        if not self.agent.world.chance(0.05):
            self._later(0.02, self._tell, LogsShipped(self.order.run_id))

    # -------------------------------------------------------------- what happens in it
    def gone(self) -> None:
        """Nothing of it is left."""
        if self.alive:
            self.agent.checks.gone(self)
        self.alive = self.running = False

    def _later(self, seconds: float, call: object, *given: object) -> None:
        self.agent.world.after(seconds, self._if_awake, call, *given)

    def _if_awake(self, call: object, *given: object) -> None:
        if self.agent.suspended:
            self.agent.world.after(0.05, self._if_awake, call, *given)
        elif self.alive or call == self._tell:
            call(*given)  # type: ignore[operator]

    def _tell(self, message: object) -> None:
        if self.agent.life == self.life:
            self.agent.hear(message)

    def _hello(self) -> None:
        if not self.exited:
            self._tell(Hello(self.order.run_id))

    def _begin(self) -> None:
        if self.exited:
            return
        self.running = True
        self.agent.checks.begins(self)
        world = self.agent.world
        if not world.chance(0.05):  # else it hangs until its time-out
            self._later(world.dice.expovariate(1 / self.agent.typical), self._finish)

    def _finish(self) -> None:
        if self.exited or self.ending:
            return
        self.ending = True
        world = self.agent.world
        throw = world.dice.random()
        if throw < 0.9:
            state = State.COMPLETED if throw < 0.8 else State.FAILED
            self._tell(ResultCame(self.order.run_id, Result(state=state)))
        self._later(world.between(0.001, 0.2), self._exit, 1 if throw >= 0.8 else 0, None)

    def _exit(self, code: int | None, signal: int | None) -> None:
        if not self.exited:
            self.exited = True
            self._tell(Exited(self.order.run_id, Exit(code=code, signal=signal)))

    def _tree_gone(self) -> None:
        self.gone()
        self._tell(TreeGone(self.order.run_id))
