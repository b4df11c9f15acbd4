"""The checker on histories written by hand: what breaks a promise is seen, what only looks so is not."""

from __future__ import annotations

from typing import Any

from tests.chaos.checker import Report, check
from tests.chaos.history import History

QUEUE = "queue:q"


class Story:
    """A history told move by move; one second passes with each."""

    def __init__(self) -> None:
        self.history = History()
        self.at = 0
        self.states: dict[str, str] = {}
        self.tokens: dict[str, int] = {}
        self.agents: dict[str, str] = {}
        self.token = 0

    def move(self, run: str, to: str, actor: str = "user:ann", **more: Any) -> Story:
        """A run moves; a claim gets the next token unless one is given."""
        self.at += 1
        before = self.states.get(run, "")
        if to == "PENDING":
            self.token += 1
            self.tokens[run], self.agents[run] = more.pop("token", self.token), actor.removeprefix("agent:")
        about = {"attempt": 1, "reason": "", "queue": "q", "held": [QUEUE] if to == "PENDING" else [], **more}
        whose = {"token": self.tokens.get(run, 0), "agent": self.agents.get(run, ""), "name": "", "actor": actor}
        place = {"id": f"{self.at * 1000}-0", "at": self.at * 1_000_000}
        self.history.add("move", run=run, **{"from": before, "to": to}, **place, **whose, **about)
        self.states[run] = to
        return self

    def claimed(self, run: str, agent: str = "a", **more: Any) -> Story:
        """A run is made and claimed."""
        return self.move(run, "QUEUED").move(run, "PENDING", f"agent:{agent}", **more)

    def limit(self, number: int | None, limit: str = QUEUE) -> Story:
        """An operator changes a limit."""
        self.at += 1
        place = {"id": f"{self.at * 1000}-0", "at": self.at * 1_000_000}
        self.history.add("change", actor="ann", subject=limit, field="limit", old="", new=str(number or ""), **place)
        return self

    def ack(self, verb: str, run: str, answer: Any, **more: Any) -> Story:
        """A client got an answer."""
        times = {"sent": self.at + 0.1, "answered": self.at + 0.2}
        self.history.add("ack", client="a", verb=verb, runs=[run], answer=answer, **{**times, **more})
        return self

    def cut(self, back_to: int) -> Story:
        """Redis lost all moves after a second."""
        kept = f"{back_to * 1000}-0"
        self.history.add("cut", id=kept, until=f"{self.at * 1000 + 1}", changes=kept, mono=self.at + 0.5)
        self.states = {}
        for move in self.history.of("move"):
            if move["at"] <= back_to * 1_000_000:
                self.states[move["run"]] = move["to"]
        return self

    def end(self, **runs: str) -> Story:
        """How it stands at the end: run=state."""
        places = {"QUEUED": ["waiting:q"], "SCHEDULED": ["delayed"], "PENDING": ["leases"]}
        there = {run: {"state": state} for run, state in runs.items()}
        where = {run: places[state] for run, state in runs.items() if state in places}
        self.history.add("end", at=0, runs=there, places=where, holders={}, processes=0)
        return self

    def judged(self) -> Report:
        """What the checker says."""
        return check(self.history)


def test_a_quiet_life_breaks_nothing_and_covers_little() -> None:
    report = Story().claimed("r").move("r", "RUNNING").move("r", "COMPLETED", "agent:a").end(r="COMPLETED").judged()
    assert report.violations == 0
    assert not report.rows["I2"].covered
    assert "not covered" in report.table()


def test_a_claim_above_the_limit_of_that_moment_is_seen() -> None:
    story = Story().limit(2).claimed("one").claimed("two").limit(1).move("two", "FAILED", "agent:a")
    assert story.judged().broken() == [], "lowering takes nothing from those who hold"
    assert story.claimed("three").judged().broken() == ["I2"]


def test_a_slot_is_free_after_the_end_and_a_limit_that_is_gone_binds_nobody() -> None:
    story = Story().limit(1).claimed("one").move("one", "FAILED", "agent:a").claimed("two")
    report = story.limit(None).claimed("three").judged()
    assert (report.broken(), report.rows["I2"].occurred["claims that took the last slot"]) == ([], 2)


def test_moves_that_a_cut_undid_hold_no_slot_and_their_run_may_be_claimed_again() -> None:
    story = Story().limit(1).move("r", "QUEUED").move("s", "QUEUED").move("r", "PENDING", "agent:a")
    story.cut(back_to=3).move("s", "PENDING", "agent:b", token=1_000_000)
    assert story.judged().broken() == []


def test_a_token_that_was_used_before_the_cut_is_seen() -> None:
    story = Story().move("r", "QUEUED").move("s", "QUEUED").move("r", "PENDING", "agent:a")
    story.cut(back_to=2).move("s", "PENDING", "agent:b", token=1)
    assert story.judged().broken() == ["I3"]


def test_a_run_that_is_taken_back_after_a_cut_keeps_its_token() -> None:
    story = Story().move("r", "QUEUED").move("r", "PENDING", "agent:a").cut(back_to=1)
    story.move("r", "PENDING", "agent:a", token=1, reason="taken back after Redis lost the claim")
    story.move("r", "RUNNING").move("r", "COMPLETED", "agent:a").ack("finish", "r", "ok", token=1)
    assert story.judged().broken() == []


def test_a_run_lost_with_the_tail_is_listed_and_with_durable_answers_it_is_a_violation() -> None:
    for durable, broken in ((False, []), (True, ["I1"])):
        story = Story().move("kept", "QUEUED").move("gone", "QUEUED").ack("create", "gone", "QUEUED", durable=durable)
        report = story.cut(back_to=1).move("kept", "CANCELLED").end(kept="CANCELLED").judged()
        assert report.broken() == broken
        assert report.rows["I1"].notes == ([] if durable else ["gone was lost with the tail"])


def test_a_run_that_vanished_or_stands_nowhere_is_seen() -> None:
    story = Story().move("gone", "QUEUED").ack("create", "gone", "QUEUED").end()
    assert story.judged().broken() == ["I1"]
    story = Story().move("r", "SCHEDULED").end(r="SCHEDULED")
    assert story.judged().broken() == []
    story.history.of("end")[0]["places"] = {}
    assert story.judged().broken() == ["I1"]


def test_a_late_finish_that_was_accepted_is_seen() -> None:
    story = Story().claimed("r").move("r", "QUEUED", "scheduler").move("r", "PENDING", "agent:b")
    assert story.ack("finish", "r", "lost", token=1).judged().broken() == []
    assert story.ack("finish", "r", "ok", token=1).judged().broken() == ["I3"]


def test_two_processes_of_one_run_at_one_time_are_seen() -> None:
    story = Story()
    for what, attempt, mono in (("start", 1, 1.0), ("start", 2, 3.0), ("gone", 1, 2.9), ("stop", 2, 4.0)):
        story.history.add("flow", run="r", attempt=attempt, what=what, mono=mono, pid=attempt)
    assert story.judged().broken() == []
    story.history.add("flow", run="r", attempt=3, what="start", mono=3.9, pid=3)
    assert story.judged().broken() == ["I3"]


def test_a_move_after_the_end_and_one_that_the_table_lacks_are_seen() -> None:
    ended = Story().claimed("r").move("r", "RUNNING").move("r", "COMPLETED", "agent:a")
    assert ended.move("r", "FAILED", "agent:a").judged().broken() == ["I7"]
    assert Story().move("r", "QUEUED").move("r", "RUNNING").judged().broken() == ["I7"]


def test_a_flow_that_runs_on_after_it_was_reported_as_ended_is_seen() -> None:
    story = Story().claimed("r").move("r", "RUNNING").move("r", "COMPLETED", "agent:a")
    story.history.add("flow", run="r", attempt=1, what="start", mono=1.0, pid=1)
    story.history.add("flow", run="r", attempt=1, what="stop", mono=5.0, pid=1)
    assert story.ack("finish", "r", "ok", token=1, sent=5.1).judged().broken() == []
    assert story.ack("finish", "r", "ok", token=1, sent=4.9).judged().broken() == ["I8"]


def test_an_accepted_cancel_that_ended_otherwise_is_seen() -> None:
    story = Story().claimed("r").move("r", "RUNNING").move("r", "COMPLETED", "agent:a")
    assert story.ack("cancel", "r", "refused").judged().broken() == []
    assert story.ack("cancel", "r", "CANCELLING").judged().broken() == ["I9"]


def test_more_losses_than_allowed_are_seen() -> None:
    story = Story().move("r", "QUEUED").ack("create", "r", "QUEUED", max_lost=2)
    for _ in range(3):
        story.move("r", "PENDING", "agent:a").move("r", "QUEUED", "scheduler")
    assert story.judged().broken() == [], "one more try alone is allowed"
    assert story.move("r", "PENDING", "agent:a").move("r", "QUEUED", "scheduler").judged().broken() == ["I10"]


def test_a_run_that_overtakes_is_seen_and_parked_ones_are_not_judged() -> None:
    story = Story().move("one", "QUEUED").move("tagged", "QUEUED").move("two", "QUEUED").move("three", "QUEUED")
    story.move("one", "PENDING", "agent:a").move("two", "PENDING", "agent:a").move("three", "CANCELLED")
    assert story.move("tagged", "PENDING", "agent:a", held=[QUEUE, "tag:ml"]).judged().broken() == []
    story.move("four", "QUEUED").move("five", "QUEUED").move("five", "PENDING", "agent:a")
    assert story.move("four", "PENDING", "agent:a").judged().broken() == ["I15"]


def test_lines_that_repeat_or_lack_a_mark_are_seen() -> None:
    for numbers, gaps, broken in (([[1, 9]], 0, []), ([[1, 3], [7, 9]], 1, []), ([[1, 3], [7, 9]], 0, ["I6"])):
        story = Story()
        story.history.add("log", run="r", attempt=1, numbers=numbers, marked_gaps=gaps)
        assert story.judged().broken() == broken
    story.history.add("log", run="r", attempt=2, numbers=[[1, 2], [1, 2]], marked_gaps=0)
    assert story.judged().broken() == ["I6"]


def test_an_instant_without_a_run_and_one_with_two_are_seen() -> None:
    for times, broken in ((1, []), (0, ["I4"]), (2, ["I4"])):
        story = Story()
        story.history.add("expected_instant", deployment="d", schedule="s", at=5)
        for _ in range(times):
            story.history.add("instant", deployment="d", schedule="s", at=5, run="r")
        assert story.judged().broken() == broken
