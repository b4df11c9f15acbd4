"""How a run gets its process: forked from a template when there is one for it, else started cold; then the two talk."""

import time
from collections.abc import Callable
from typing import Any

from agent import events
from agent.errors import LaunchFailed, NotLaunched
from agent.families import Families
from agent.logs.outbox import Outbox
from agent.loop import Loop
from agent.messages import LaunchRefused, Message
from agent.nursery import Nursery
from agent.orders import Order
from agent.runners.run_groups import RunGroups
from agent.runners.subprocess_runner import Launched, SubprocessRunner, start_frame
from agent.runners.warm_runner import WarmRunner
from agent.running import Running, connect
from orchestrator.process.frames import WireError
from orchestrator.store.run_logs import AGENT, LogRecord

WARNING = 30


class Launching:
    """Starts the processes of a supervisor's runs; `begun` is told of each that has one."""

    def __init__(
        self,
        loop: Loop,
        runner: SubprocessRunner,
        families: Families,
        *,
        groups: RunGroups,
        outbox: Outbox,
        begun: Callable[[Running], None],
        tell: Callable[[Message], None],
    ) -> None:
        self._loop = loop
        self._runner = runner
        self._families = families
        self._groups = groups
        self._outbox = outbox
        self._begun = begun
        self._tell = tell
        self._cold: dict[str, str] = {}
        self.nursery = Nursery(loop, WarmRunner(runner), families, refused=self._cold.__setitem__)

    def launch(self, order: Order) -> None:
        """Give a run its process, now or within a moment; LaunchRefused is told when it can have none here."""
        try:
            first = start_frame(order)
        except (WireError, TypeError) as error:
            self._refuse(order, LaunchFailed(f"its parameters can not be sent to its process: {error}"))
            return
        taken = self.nursery.take(
            order,
            born=lambda launched: self._connect(order, launched, first),
            unborn=lambda: self._launch_cold(order, first),
        )
        if not taken:
            self._launch_cold(
                order, start_frame(order, learn=True) if self.nursery.is_learning(order.run_id) else first
            )

    def _launch_cold(self, order: Order, first: bytes) -> None:
        try:
            launched = self._runner.launch(order)
        except NotLaunched as error:
            self._refuse(order, error)
            return
        self._connect(order, launched, first)

    def _connect(self, order: Order, launched: Launched, first: bytes) -> None:
        self._families.add(order.run_id, launched.pid, launched.brand)
        self._groups.place(order.run_id, launched.pid, order.limits)
        running = connect(self._loop, self._outbox, order, launched, self._tell, self._hear_modules)
        self._begun(running)
        running.pump.send(first)
        warm: dict[str, Any] = {"warm": launched.warm} if order.warm else {}
        events.launched(
            run=order.run_id,
            name=order.run_name,
            deployment=order.deployment,
            attempt=order.attempt,
            pid=launched.pid,
            **warm,
        )
        if order.warm and (reason := self._cold.pop(order.deployment, None)) is not None:
            at = int(time.time() * 1_000_000)
            text = f"this deployment's runs start cold although it is warm: {reason}"
            self._outbox.add(running.log, [LogRecord(at, AGENT, WARNING, text)])

    def _hear_modules(self, run_id: str, names: Any) -> None:
        self.nursery.hear_modules(run_id, names)

    def _refuse(self, order: Order, error: NotLaunched) -> None:
        events.not_launched(run=order.run_id, deployment=order.deployment, reason=str(error))
        self._tell(LaunchRefused(order.run_id, error))
