"""The threads of a simulated agent that speak to Redis, as agent/calls.py and agent/renewals.py do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from agent.actions import Action, AskForRuns, Confirm, Deliver, Register, Renew
from agent.messages import AskedToEnd, Claimed, ClaimFailed, Confirmed, Delivered, EndLevel, NotRenewed, Renewed
from agent.orders import Order, Ref
from agent.retrying import FIRST_PAUSE, LONGEST_PAUSE
from agent.runners.outcome import GiveBack, Rules, Verdict
from queues.claims import Outcome
from queues.states import State
from tests.chaos.model import Model
from tests.chaos.model_records import SECOND, Answers, Record

if TYPE_CHECKING:
    from tests.chaos.simulation_agent import Agent

CALL_TIMEOUT = 5.0
LEVELS = {"drain": EndLevel.DRAIN, "stop": EndLevel.STOP}
Then = Callable[[Any], None]


class Calls:
    """Claims, confirms and ends of runs, one after the other; a claim without an answer stays open under its id."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.life = agent.life
        self._inbox: deque[Action] = deque()
        self._busy = False
        self._claim: tuple[str, AskForRuns, float] | None = None

    def put(self, action: Action) -> None:
        """Make this call after those that were put before."""
        self._inbox.append(action)
        self._next()

    def _next(self) -> None:
        if self._busy or not self._inbox:
            return
        self._busy = True
        # A thread may lose the processor between any two steps.
        self.agent.later(0.0001, self._make, self._inbox.popleft())

    def _done(self, message: object = None) -> None:
        self._busy = False
        if message is not None:
            self.agent.hear(message)
        self._next()

    def _make(self, action: Action) -> None:
        name = self.agent.name
        match action:
            case AskForRuns():
                self._ask(action)
            case Confirm(ref=ref):
                self._until_answered(lambda model: model.confirm(proof(ref)), lambda said: self._confirmed(ref, said))
            case Deliver(ref=ref, delivery=delivery):
                self._until_answered(self._delivers(ref, delivery), lambda _: self._done(Delivered(ref.run_id)))
            case Register():
                instance = self.agent.instance
                self._until_answered(lambda model: model.register(name, instance), self._registered)

    def _delivers(self, ref: Ref, delivery: Any) -> Callable[[Model], Any]:
        """The call that tells an end; when it frees the slot, nothing of the run may be left."""

        def call(model: Model) -> Any:
            if model.owned(proof(ref)):
                self.agent.checks.freed([ref.run_id], "its end was told")
            if isinstance(delivery, GiveBack):
                return model.release(proof(ref), loss=delivery.counts_as_loss)
            assert isinstance(delivery, Outcome)
            retry = delivery.retry_in_seconds
            retry_in = None if retry is None else round(retry * SECOND)
            return model.finish(proof(ref), State(delivery.state), name=delivery.name, retry_in=retry_in)

        return call

    def _confirmed(self, ref: Ref, answer: str) -> None:
        self.agent.flows[ref.run_id].leave = answer
        self._done(Confirmed(ref.run_id, answer))

    def _registered(self, answer: list[str] | None) -> None:
        self._done(AskedToEnd(EndLevel.ABANDON) if answer is None else None)

    def _ask(self, action: AskForRuns) -> None:
        agent = self.agent
        if self._claim is None:
            self._claim = (agent.fresh_id(), action, agent.boot_time())
        claim, asked, sent_at = self._claim

        def call(model: Model) -> Any:
            taken = model.claim(agent.name, asked.queues, asked.count, claim, asked.avoid)
            orders = tuple(order_of(run, model) for run in taken)
            agent.checks.claimed(taken)
            return orders, max(0.0, (model.no_claims_before - model.now) / SECOND)

        def then(how: str, answer: Any) -> None:
            if how != "ok":
                self._done(ClaimFailed())
                return
            self._claim = None
            orders, hold = answer
            self._done(Claimed(sent_at, orders, (), asked.count < action.count, hold))

        agent.ask(call, CALL_TIMEOUT, then)

    def _until_answered(self, call: Callable[[Model], Any], then: Then, pause: float = FIRST_PAUSE) -> None:
        def heard(how: str, answer: Any) -> None:
            if how == "ok":
                then(answer)
            else:
                self.agent.occurred["calls sent again"] += 1
                self.agent.later(pause, self._until_answered, call, then, min(LONGEST_PAUSE, 2 * pause))

        self.agent.ask(call, CALL_TIMEOUT, heard)


class Renewals:
    """Renews; a failure is tried once more at once, and only that try tells away from cut."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._inbox: deque[Renew] = deque()
        self._busy = False

    def put(self, action: Renew) -> None:
        """Renew now."""
        self._inbox.append(action)
        if not self._busy:
            self._busy = True
            self.agent.later(0.0001, self._renew, self._inbox.popleft(), False)

    def _renew(self, action: Renew, last: bool) -> None:
        agent = self.agent
        sent_at = agent.boot_time()
        held = [(*proof(ref), confirmed) for ref, confirmed in action.held]

        def then(how: str, answer: Any) -> None:
            if how != "ok" and not last:
                self.agent.later(0.0001, self._renew, action, True)
                return
            self._busy = False
            agent.hear(renewed(sent_at, answer) if how == "ok" else NotRenewed(sent_at, how == "away"))
            if self._inbox and not self._busy:
                self.put(self._inbox.popleft())

        agent.ask(lambda model: model.renew(agent.name, held, agent.instance), agent.patience, then)


def proof(ref: Ref) -> tuple[str, int, str]:
    """What the model fences a claim by."""
    return ref.run_id, ref.token, ref.claim_id


def renewed(sent_at: float, said: Answers) -> Renewed:
    """The answer of Redis as the supervisor hears it."""
    ended = [(run_id, Verdict.LOST) for run_id in sorted(said.lost)]
    ended += [(run_id, Verdict.STALLED) for run_id in sorted(said.stalled)]
    ended += [(run_id, Verdict.CANCELLED) for run_id in sorted(said.cancelling)]
    return Renewed(
        sent_at=sent_at,
        extended=said.extended,
        ended=tuple(ended),
        level=LEVELS.get(said.request, EndLevel.SERVING),
        registered=said.registered,
    )


def order_of(run: Record, model: Model) -> Order:
    """What an agent makes of a claimed run."""
    return Order(
        ref=Ref(run.id, run.token, run.claim),
        attempt=run.attempt,
        queue=run.queue,
        lease_seconds=model.lease_of(run) / SECOND,
        run_name=run.id,
        deployment="flow/d",
        code="flow/d@1",
        path="/flows/flow.py",
        function="flow",
        folder="/flows",
        tags=run.limits,
        working_dir="/flows",
        rules=Rules(retries=1, retry_delay_seconds=1.0, failures=run.failures, timeout_seconds=8.0),
    )
