"""The thread that makes the calls to Redis in the order they were decided: claim, confirm, finish, release.

An outage holds the order up and loses nothing: a finish is repeated until Redis answers, and a claim that was not
answered is sent again under its own id, so that runs it may have taken are not forgotten.
"""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from agent import events
from agent.actions import AskForRuns, Confirm, Deliver, Register
from agent.errors import AgentNameTaken
from agent.kernel import boot_time
from agent.messages import AskedToEnd, Claimed, ClaimFailed, Confirmed, Delivered, EndLevel, Message
from agent.orders import Order, Ref
from agent.retrying import GivenUp, Patience
from agent.runners.outcome import Delivery, GiveBack
from queues.claims import MOST_CLAIMS, Answer, Claim, Claims, Outcome
from queues.errors import HeadgateQueueError, RedisFailure

MakeOrder = Callable[[Claim], Order]
"""Makes an order of a claim; raises BadRecord when its record is not usable."""


class BadRecord(Exception):
    """A run's record does not say how to run it; the text says what is wrong."""


@dataclass(frozen=True)
class CancelRun:
    """Ask for a run of this agent to be cancelled, in the name of `actor`."""

    run_id: str
    actor: str


@dataclass(frozen=True)
class _OpenClaim:
    claim_id: str
    queues: tuple[str, ...]
    count: int
    avoid: tuple[str, ...]
    sent_at: float


class Calls(threading.Thread):
    """Takes actions, makes the calls, posts the answers as messages.

    `serve` is told which queues the agent serves, whenever a claim by prefix has found others than before.
    """

    def __init__(
        self,
        claims: Claims,
        *,
        make_order: MakeOrder,
        register: Callable[[], object],
        unregister: Callable[[], object],
        serve: Callable[[tuple[str, ...]], object] | None = None,
        cancel: Callable[[str, str], object],
        post: Callable[[Message], None],
        patience: Patience,
    ) -> None:
        super().__init__(name="calls", daemon=True)
        self._claims = claims
        self._make_order = make_order
        self._register = register
        self._unregister = unregister
        self._serve = serve
        self._served: tuple[str, ...] = ()
        self._cancel = cancel
        self._post = post
        self._patience = patience
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._open_claim: _OpenClaim | None = None

    def put(self, action: AskForRuns | Confirm | Deliver | Register | CancelRun) -> None:
        """Make this call after those that were put before."""
        self._inbox.put(action)

    def leave(self, seconds: float) -> None:
        """Unregister after the calls that were put before, for as long as `seconds`; then the thread is over."""
        self._inbox.put(None)
        self.join(seconds)
        if self.is_alive():
            self._patience.give_up()
            self.join(1.0)

    def run(self) -> None:
        """Make calls until told to leave."""
        try:
            while (action := self._inbox.get()) is not None:
                self._make(action)
            self._unregister()
        except GivenUp:
            return
        except HeadgateQueueError as error:
            events.unreachable(what="unregister", cause=str(error))

    def _make(self, action: AskForRuns | Confirm | Deliver | Register | CancelRun) -> None:
        match action:
            case AskForRuns():
                self._claim(action)
            case Confirm(ref=ref):
                self._post(Confirmed(ref.run_id, self._confirm(ref)))
            case Deliver(ref=ref, delivery=delivery):
                self._deliver(ref, delivery)
                self._post(Delivered(ref.run_id))
            case Register():
                self._register_again()
            case CancelRun(run_id=run_id, actor=actor):
                self._try("cancel", lambda: self._cancel(run_id, actor))

    def _claim(self, action: AskForRuns) -> None:
        fresh = _OpenClaim(uuid.uuid4().hex, action.queues, action.count, action.avoid, boot_time())
        asked = self._open_claim or fresh
        self._open_claim = asked
        try:
            reply = self._claims.claim(asked.queues, asked.count, claim_id=asked.claim_id, avoid=asked.avoid)
            orders, refused = self._orders(reply.claims)
        except RedisFailure as failure:
            events.unreachable(what="claim", cause=str(failure))
            self._post(ClaimFailed())
            return
        except HeadgateQueueError as error:
            self._open_claim = None
            events.failed(what="claim", cause=str(error))
            self._post(ClaimFailed())
            return
        self._open_claim = None
        # A claim that had to be sent again asked for what was free then.
        more = reply.more or asked.count < action.count or len(reply.claims) == MOST_CLAIMS
        self._post(Claimed(asked.sent_at, orders, refused, more, reply.hold_us / 1_000_000))
        self._note_served(reply.queues)

    def _note_served(self, queues: tuple[str, ...]) -> None:
        if self._serve is not None and queues != self._served:
            serve, self._served = self._serve, queues
            self._try("register", lambda: serve(queues))

    def _orders(self, claims: list[Claim]) -> tuple[tuple[Order, ...], tuple[tuple[Ref, str], ...]]:
        orders, refused = [], []
        for claim in claims:
            try:
                orders.append(self._make_order(claim))
            except BadRecord as error:
                refused.append((Ref(claim.run_id, claim.token, claim.claim_id), f"rejected: {error}"))
        return tuple(orders), tuple(refused)

    def _confirm(self, ref: Ref) -> str:
        def confirm() -> Answer:
            return self._claims.confirm(ref.run_id, ref.token, ref.claim_id)

        answer = self._try("confirm", confirm)
        # What Redis can not say yes to must not run.
        return str(answer or Answer.LOST)

    def _deliver(self, ref: Ref, delivery: Delivery) -> None:
        if isinstance(delivery, GiveBack):
            how = {"counts_as_loss": delivery.counts_as_loss, "unstarted": delivery.unstarted}
            reason = delivery.reason
            answer = self._try(
                "release", lambda: self._claims.release(ref.run_id, ref.token, ref.claim_id, reason=reason, **how)
            )
            said = "given back"
        elif isinstance(delivery, Outcome):
            outcome = delivery
            finished = self._try("finish", lambda: self._claims.finish(ref.run_id, ref.token, ref.claim_id, outcome))
            answer = finished and finished.answer
            said = str(finished.state) if finished and finished.state else outcome.state
        else:
            return
        if answer is None:
            events.undelivered(run=ref.run_id, cause="see above")
        elif answer == Answer.LOST:
            events.late(run=ref.run_id)
        else:
            events.ended(run=ref.run_id, said=said, reason=delivery.reason)

    def _register_again(self) -> None:
        if self._try("register", self._register) is None:
            # Someone else has the name by now: this agent must not go on under it.
            self._post(AskedToEnd(EndLevel.ABANDON))

    def _try(self, what: str, call: Callable[[], Any]) -> Any:
        try:
            return self._patience.until_answered(what, call)
        except (HeadgateQueueError, AgentNameTaken) as error:
            events.failed(what=what, cause=str(error))
            return None
