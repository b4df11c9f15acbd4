"""The thread that calls Redis: order, repetition, and what a failure becomes; with claims that fail on demand."""

from collections.abc import Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from agent.actions import AskForRuns, Confirm, Deliver, Register
from agent.calls import Calls
from agent.errors import AgentNameTaken
from agent.messages import AskedToEnd, Claimed, ClaimFailed, Confirmed, Delivered, EndLevel
from agent.orders import Ref
from agent.retrying import Patience
from agent.runners.outcome import GiveBack
from queues.claims import Answer, ClaimReply, Outcome
from queues.errors import RedisUnreachable, ScriptFailed
from queues.states import State

REF = Ref("r1", 7, "claim")
ASK = AskForRuns(("default",), 2)
AWAY = RedisUnreachable("h:1", "refused", away=True)


class FakeClaims:
    """Claims whose calls fail as told, and which notes those that were made."""

    def __init__(self) -> None:
        self.failures: list[Exception] = []
        self.made: list[tuple[Any, ...]] = []

    def note(self, *call: Any) -> None:
        self.made.append(call)
        if self.failures:
            raise self.failures.pop(0)

    def claim(self, queues: Any, count: int, *, claim_id: str, avoid: Any = ()) -> ClaimReply:
        self.note("claim", count, claim_id)
        return ClaimReply(claims=[], more=False, hold_us=0)

    def confirm(self, run_id: str, token: int, claim_id: str) -> Answer:
        self.note("confirm", run_id)
        return Answer.OK

    def finish(self, run_id: str, token: int, claim_id: str, outcome: Outcome) -> Any:
        self.note("finish", run_id)

    def release(self, run_id: str, token: int, claim_id: str, *, reason: str, **how: bool) -> Answer:
        self.note("release", run_id, reason)
        return Answer.OK


class Desk:
    """A calls thread at work, and what it posted."""

    def __init__(self) -> None:
        self.claims = FakeClaims()
        self.posted: SimpleQueue[Any] = SimpleQueue()
        self.registered: list[Exception] = []
        self.calls = Calls(
            self.claims,  # type: ignore[arg-type]
            make_order=lambda claim: pytest.fail(str(claim)),
            register=self.register,
            unregister=lambda: self.claims.note("unregister"),
            cancel=lambda run_id, actor: self.claims.note("cancel", run_id, actor),
            post=self.posted.put,
            patience=Patience(),
        )
        self.calls.start()

    def register(self) -> str:
        if self.registered:
            raise self.registered.pop(0)
        return "registered"

    def answer(self) -> Any:
        return self.posted.get(timeout=5)


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.calls.leave(5.0)


def test_calls_are_made_in_the_order_they_were_decided(desk: Desk) -> None:
    desk.calls.put(Deliver(REF, GiveBack("the agent stops")))
    desk.calls.put(ASK)
    assert isinstance(desk.answer(), Delivered) and isinstance(desk.answer(), Claimed)
    assert [call[0] for call in desk.claims.made] == ["release", "claim"]


def test_an_end_is_told_again_until_redis_answers(desk: Desk) -> None:
    desk.claims.failures = [AWAY, RedisUnreachable("h:1", "time-out")]
    desk.calls.put(Deliver(REF, Outcome(state=State.COMPLETED)))
    assert isinstance(desk.answer(), Delivered)
    assert [call[0] for call in desk.claims.made] == ["finish"] * 3


def test_a_claim_without_an_answer_is_sent_again_under_its_own_id(desk: Desk) -> None:
    desk.claims.failures = [AWAY]
    desk.calls.put(ASK)
    assert isinstance(desk.answer(), ClaimFailed)
    desk.calls.put(AskForRuns(("default",), 5))
    answer = desk.answer()
    first, second = desk.claims.made
    assert first == second, "the same id, and the count that belongs to it"
    assert isinstance(answer, Claimed) and answer.more, "what was asked for since is asked for next"


def test_every_answered_claim_has_an_id_of_its_own(desk: Desk) -> None:
    for _ in range(2):
        desk.calls.put(ASK)
        assert isinstance(desk.answer(), Claimed)
    assert len({call[2] for call in desk.claims.made}) == 2


def test_what_redis_can_not_say_yes_to_does_not_run(desk: Desk) -> None:
    desk.claims.failures = [ScriptFailed("confirm", "WRONGTYPE")]
    desk.calls.put(Confirm(REF))
    assert desk.answer() == Confirmed("r1", "lost")


def test_an_agent_whose_name_was_taken_meanwhile_gives_up(desk: Desk) -> None:
    desk.registered = [AgentNameTaken("a1", "h", 1)]
    desk.calls.put(Register())
    assert desk.answer() == AskedToEnd(EndLevel.ABANDON)


def test_an_agent_that_leaves_does_not_wait_for_redis_for_ever() -> None:
    desk = Desk()
    desk.claims.failures = [AWAY] * 1000
    desk.calls.put(Deliver(REF, GiveBack("the agent stops")))
    desk.calls.leave(0.2)
    assert not desk.calls.is_alive() and "unregister" not in [call[0] for call in desk.claims.made]
