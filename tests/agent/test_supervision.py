"""The agent as a whole: when it claims, renews, and kills for the lease's sake."""

from agent.actions import (
    AskForRuns,
    Deliver,
    KillTree,
    Launch,
    Register,
    Renew,
    SetDeadMan,
    SetTimer,
)
from agent.errors import NotOnThisMachine
from agent.messages import (
    Claimed,
    ClaimFailed,
    Delivered,
    Exited,
    LaunchRefused,
    LogsShipped,
    NotRenewed,
    Renewed,
    Timer,
    TimerDue,
    TreeGone,
    Woken,
)
from agent.orders import Ref
from agent.runners.outcome import Exit, GiveBack, Verdict
from queues.claims import Outcome
from tests.agent.scene import LEASE, Scene, an_order, none, only, over

POLL, RENEW, LEASE_END = TimerDue((Timer.POLL, "")), TimerDue((Timer.RENEW, "")), TimerDue((Timer.LEASE, ""))


# ------------------------------------------------------------------ claiming
def test_it_asks_for_as_many_runs_as_it_has_slots() -> None:
    assert only(AskForRuns, Scene(limit=3).first) == AskForRuns(("default",), 3)


def test_one_claim_is_on_its_way_at_a_time_and_a_wake_up_meanwhile_is_not_forgotten() -> None:
    scene = Scene()
    assert none(AskForRuns, scene.tell(Woken()))
    assert only(AskForRuns, scene.tell(Claimed(scene.now, ())))


def test_it_polls_every_two_seconds_when_nobody_wakes_it() -> None:
    scene = Scene()
    assert only(SetTimer, scene.tell(Claimed(scene.now, ()))) == SetTimer((Timer.POLL, ""), scene.now + 2)
    assert only(AskForRuns, scene.tell(POLL, after=2))


def test_an_ended_run_makes_room_for_the_next_claim_right_behind_its_finish() -> None:
    scene = Scene(limit=1)
    scene.run()
    actions = over(scene, "r1")
    kinds = [type(action) for action in actions if isinstance(action, Deliver | AskForRuns)]
    assert kinds == [Deliver, AskForRuns]


def test_more_in_the_answer_asks_again_while_slots_are_free() -> None:
    scene = Scene(limit=2)
    assert only(AskForRuns, scene.tell(Claimed(scene.now, (an_order(),), more=True))).count == 1


def test_a_hold_that_a_clock_set_back_has_made_endless_is_asked_about_again_soon() -> None:
    scene = Scene()
    assert only(SetTimer, scene.tell(Claimed(scene.now, (), hold_seconds=3600.0))).at == scene.now + 5


def test_nothing_is_claimed_while_redis_asks_for_a_hold() -> None:
    scene = Scene()
    assert only(SetTimer, scene.tell(Claimed(scene.now, (), hold_seconds=3.0))).at == scene.now + 3
    assert none(AskForRuns, scene.tell(Woken(), after=1))
    assert only(AskForRuns, scene.tell(POLL, after=2))


def test_a_failed_claim_is_made_again_by_the_next_poll() -> None:
    scene = Scene()
    assert only(SetTimer, scene.tell(ClaimFailed())).key == (Timer.POLL, "")
    assert only(AskForRuns, scene.tell(POLL, after=1))


def test_a_queue_whose_next_run_has_no_code_here_is_left_alone_longer_each_time() -> None:
    scene = Scene(queues=("a", "b"))
    refused = LaunchRefused("r1", NotOnThisMachine("h1 has no /flows/flow.py"))
    scene.launch(an_order(queue="a"))
    assert only(AskForRuns, scene.tell(refused)).queues == ("b",)
    scene.tell(Claimed(scene.now, ()))
    assert only(AskForRuns, scene.tell(Woken(), after=1.0)).queues == ("a", "b")
    scene.tell(Delivered("r1"))
    scene.launch(an_order(queue="a"))
    assert only(AskForRuns, scene.tell(refused, after=1.0)).queues == ("b",)
    scene.tell(Claimed(scene.now, ()))
    assert only(AskForRuns, scene.tell(Woken(), after=1.5)).queues == ("b",)


def test_only_the_deployment_without_code_here_is_left_alone_when_it_has_a_limit_of_its_own() -> None:
    scene = Scene(queues=("a", "b"))
    scene.launch(an_order(queue="a", limit="deployment:d1"))
    asked = only(AskForRuns, scene.tell(LaunchRefused("r1", NotOnThisMachine("h1 has no /flows/flow.py"))))
    assert (asked.queues, asked.avoid) == (("a", "b"), ("deployment:d1",))
    scene.tell(Claimed(scene.now, ()))
    assert only(AskForRuns, scene.tell(Woken(), after=1.0)).avoid == ()


def test_a_long_line_of_runs_without_code_here_is_gone_through_with_pauses() -> None:
    scene = Scene()
    scene.launch(an_order(limit="deployment:d1"))
    scene.tell(LaunchRefused("r1", NotOnThisMachine("h1 has no /flows/flow.py")))
    passed_over = scene.tell(Claimed(scene.now, (), more=True))
    assert none(AskForRuns, passed_over)
    timer = only(SetTimer, passed_over)
    assert (timer.key, timer.at) == ((Timer.POLL, ""), scene.now + 0.05)
    assert only(AskForRuns, scene.tell(POLL, after=0.05)).avoid == ("deployment:d1",)
    assert only(AskForRuns, scene.tell(Claimed(scene.now, (an_order("r2"),), more=True))), "one that can run was found"


def test_a_run_whose_record_is_not_usable_fails_and_the_others_go_on() -> None:
    scene = Scene()
    actions = scene.tell(Claimed(scene.now, (an_order(),), refused=((Ref("bad", 1, "c"), "no spec"),)))
    said = only(Deliver, actions)
    assert isinstance(said.delivery, Outcome) and said.delivery.reason == "no spec" and only(Launch, actions)


def test_a_run_that_comes_back_while_its_old_attempt_is_still_dying_waits() -> None:
    scene = Scene()
    scene.run()
    scene.tell(Renewed(scene.now, frozenset(), (("r1", Verdict.LOST),)))
    scene.tell(Woken())
    actions = scene.launch(an_order())
    assert none(Launch, actions) and isinstance(only(Deliver, actions).delivery, GiveBack)


# ------------------------------------------------------------------ leases
def test_leases_are_renewed_every_five_seconds_with_what_is_held() -> None:
    scene = Scene()
    scene.run()
    assert only(Renew, scene.tell(RENEW, after=5)).held == ((an_order().ref, True),)
    assert SetTimer((Timer.RENEW, ""), scene.now + 5) in scene.tell(Renewed(scene.now, frozenset({"r1"})))


def test_an_end_that_is_just_being_told_is_not_asked_about() -> None:
    scene = Scene()
    scene.run()
    over(scene, "r1")
    assert only(Renew, scene.tell(RENEW)).held == ()
    scene.tell(Renewed(scene.now, frozenset()))
    assert only(Renew, scene.tell(RENEW, after=5)).held == ((an_order().ref, True),), "an outage holds it up"


def test_a_cancel_renews_at_once_and_again_when_one_was_on_its_way() -> None:
    scene = Scene()
    scene.run()
    assert only(Renew, scene.tell(Woken(news=True)))
    assert none(Renew, scene.tell(Woken(news=True)))
    assert SetTimer((Timer.RENEW, ""), scene.now) in scene.tell(Renewed(scene.now, frozenset({"r1"})))


def test_the_kernel_kills_at_the_lease_and_the_agent_three_seconds_before() -> None:
    scene = Scene()
    claimed_at = scene.now
    actions = scene.launch()
    assert only(SetDeadMan, actions).at == claimed_at + LEASE
    assert SetTimer((Timer.LEASE, ""), claimed_at + LEASE - 3) in actions


def test_a_renewal_counts_from_when_it_was_sent() -> None:
    scene = Scene()
    scene.run()
    sent_at = scene.now + 5
    actions = scene.tell(Renewed(sent_at, frozenset({"r1"})), after=6)
    assert only(SetDeadMan, actions).at == sent_at + LEASE


def test_when_cut_off_the_runs_are_killed_before_the_lease_ends_and_given_back_later() -> None:
    scene = Scene()
    scene.run()
    scene.tell(NotRenewed(scene.now + 5, away=False), after=6)
    assert none(KillTree, scene.tell(LEASE_END, after=20))
    assert only(KillTree, scene.tell(LEASE_END, after=1))
    scene.exit(signal=9)
    assert isinstance(only(Deliver, scene.tell(LogsShipped("r1"))).delivery, GiveBack)


def test_while_redis_is_away_the_runs_go_on() -> None:
    scene = Scene()
    scene.run()
    for _ in range(100):
        actions = scene.tell(NotRenewed(scene.now, away=True), after=1)
        assert none(KillTree, actions) and none(AskForRuns, actions)
    assert none(KillTree, scene.tell(LEASE_END))


def test_an_outage_of_more_than_two_minutes_ends_the_runs() -> None:
    scene = Scene()
    scene.run()
    scene.tell(NotRenewed(scene.now, away=True))
    assert none(KillTree, scene.tell(NotRenewed(scene.now + 119, away=True), after=119))
    assert only(KillTree, scene.tell(NotRenewed(scene.now + 2, away=True), after=2))


def test_a_queue_that_keeps_its_runs_when_cut_has_neither_deadline() -> None:
    scene = Scene()
    actions = scene.launch(an_order(keep_when_cut=True))
    assert none(SetDeadMan, actions)


def test_nothing_is_claimed_while_renewals_fail_and_at_once_when_they_succeed_again() -> None:
    scene = Scene()
    scene.tell(Claimed(scene.now, ()))
    scene.tell(NotRenewed(scene.now, away=True))
    assert none(AskForRuns, scene.tell(POLL)) and none(AskForRuns, scene.tell(Woken()))
    assert only(AskForRuns, scene.tell(Renewed(scene.now, frozenset())))


def test_an_agent_that_redis_does_not_know_registers_again() -> None:
    scene = Scene()
    assert only(Register, scene.tell(Renewed(scene.now, frozenset(), registered=False)))


def test_a_gone_tree_needs_no_deadline_any_more() -> None:
    scene = Scene()
    scene.run()
    scene.tell(Exited("r1", Exit(code=0)))
    assert only(SetDeadMan, scene.tell(TreeGone("r1"))).at is None
