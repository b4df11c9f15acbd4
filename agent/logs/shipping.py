"""The thread that ships batches of lines and task runs to Redis, repeating each until it is answered."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue

from agent import events
from agent.logs.batch import Batch
from agent.retrying import GivenUp, Patience
from orchestrator.store.run_logs import RunLogs
from orchestrator.store.tasks import Tasks
from queues.errors import HeadgateQueueError

REFUSED = ("lost", "gone")


@dataclass(frozen=True, slots=True)
class Shipped:
    """A batch is in Redis, or will never be wanted there."""

    run_id: str
    attempt: int
    wanted: bool = True
    """False when Redis wants no more of this attempt: the run is another agent's, or forgotten."""


class Shipping(threading.Thread):
    """Takes batches, posts Shipped."""

    def __init__(self, logs: RunLogs, tasks: Tasks, *, post: Callable[[Shipped], None], patience: Patience) -> None:
        super().__init__(name="shipping", daemon=True)
        self._logs = logs
        self._tasks = tasks
        self._post = post
        self._patience = patience
        self._inbox: SimpleQueue[Batch | None] = SimpleQueue()

    def put(self, batch: Batch) -> None:
        """Ship this batch after those that were put before."""
        self._inbox.put(batch)

    def leave(self) -> None:
        """Ship nothing that is put after this."""
        self._inbox.put(None)

    def run(self) -> None:
        """Ship until told to leave."""
        while (batch := self._inbox.get()) is not None:
            try:
                wanted = self._ship(batch)
            except GivenUp:
                return
            except (HeadgateQueueError, ValueError, TypeError, OverflowError) as error:
                # Lines that can not be shipped must not cost the lines after them.
                events.failed(what="ship logs", cause=str(error))
                wanted = True
            self._post(Shipped(batch.run_id, batch.attempt, wanted))

    def _ship(self, batch: Batch) -> bool:
        answer = "stored"
        if batch.records:
            answer = self._patience.until_answered(
                "ship logs",
                lambda: self._logs.append(batch.run_id, batch.token, batch.attempt, batch.first, batch.records),
            )
        if batch.tasks:
            self._patience.until_answered("ship tasks", lambda: self._tasks.record(batch.run_id, batch.tasks))
        return answer not in REFUSED
