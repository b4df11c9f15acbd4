"""A supervision without a world: orders to launch, messages to tell, actions to look at."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar

from agent.actions import Action
from agent.claiming import Claiming
from agent.lease_clock import LeaseClock
from agent.messages import Claimed, Confirmed, Exited, Hello, LogsShipped, Message, TreeGone
from agent.orders import Order, Ref
from agent.preparation import Preparer
from agent.runners.outcome import Exit
from agent.supervision import Supervision

LEASE = 30.0
T = TypeVar("T")


def an_order(run_id: str = "r1", **changes: Any) -> Order:
    """An order of a claim that nothing is special about."""
    order = Order(
        ref=Ref(run_id, 7, "claim"),
        attempt=1,
        queue="default",
        lease_seconds=LEASE,
        run_name="brisk-otter-12",
        deployment="flow/d",
        code="flow/d@1",
        path="/flows/flow.py",
        function="flow",
        folder="/flows",
        working_dir="/flows",
    )
    return replace(order, **changes)


class Scene:
    """A started supervision whose clock only moves when told to."""

    def __init__(self, *, limit: int = 2, drain_seconds: float | None = None, queues: tuple[str, ...] = ("default",)):
        self.now = 100.0
        claiming = Claiming(queues=queues, limit=limit)
        self.supervision = Supervision(
            claiming=claiming,
            preparer=Preparer(claiming=claiming, host="here"),
            leases=LeaseClock(renew_seconds=5.0, outage_seconds=120.0),
            drain_seconds=drain_seconds,
            kill_seconds=5.0,
        )
        self.first = self.supervision.start(self.now)

    def tell(self, message: Message, *, after: float = 0.0) -> list[Action]:
        """Let time pass, then tell; answers what is decided."""
        self.now += after
        return self.supervision.step(self.now, message)

    def launch(self, *orders: Order) -> list[Action]:
        """The claim that is on its way is answered with these orders."""
        return self.tell(Claimed(self.now, orders or (an_order(),)))

    def launch_after(self, seconds: float, *orders: Order) -> list[Action]:
        """As `launch`, some time later."""
        self.now += seconds
        return self.launch(*orders)

    def run(self, *orders: Order) -> None:
        """Launch, greet, confirm: the flows run."""
        orders = orders or (an_order(),)
        self.launch(*orders)
        for order in orders:
            self.tell(Hello(order.run_id))
            self.tell(Confirmed(order.run_id, "ok"))

    def exit(self, run_id: str = "r1", code: int | None = 0, signal: int | None = None) -> list[Action]:
        """The run's first process ends, and nothing else of it is left."""
        self.tell(Exited(run_id, Exit(code=code, signal=signal)))
        return self.tell(TreeGone(run_id))


def only(kind: type[T], actions: list[Action]) -> T:
    """The one action of a kind."""
    found = [action for action in actions if isinstance(action, kind)]
    assert len(found) == 1, f"expected one {kind.__name__}, got {actions}"
    return found[0]


def none(kind: type, actions: list[Action]) -> bool:
    """Whether no action is of a kind."""
    return not any(isinstance(action, kind) for action in actions)


def over(scene: Scene, run_id: str) -> list[Action]:
    """Everything up to the moment when Redis was told of the end."""
    scene.exit(run_id)
    return list(scene.tell(LogsShipped(run_id)))
