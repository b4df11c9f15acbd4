"""How an agent ends: the first signal lets runs end, the second one ends them, and then it leaves."""

from agent.actions import AskForRuns, Deliver, KillTree, Launch, Leave, SetTimer, Terminate
from agent.messages import AskedToEnd, Delivered, EndLevel, LogsShipped, Renewed, Signalled, Timer, TimerDue, Woken
from agent.runners.outcome import GiveBack
from tests.agent.scene import Scene, an_order, none, only, over

DRAIN = TimerDue((Timer.DRAIN, ""))
LEAVE = TimerDue((Timer.LEAVE, ""))


def test_the_first_signal_stops_claiming_and_lets_runs_end() -> None:
    scene = Scene()
    scene.run()
    assert none(Terminate, scene.tell(Signalled()))
    assert none(AskForRuns, scene.tell(Woken()))
    over(scene, "r1")
    assert only(Leave, scene.tell(Delivered("r1")))


def test_an_idle_agent_leaves_at_the_first_signal() -> None:
    assert only(Leave, Scene().tell(Signalled()))


def test_what_a_claim_still_brings_while_draining_is_given_back_unstarted() -> None:
    scene = Scene()
    scene.run()
    scene.tell(Woken())
    scene.tell(Signalled())
    actions = scene.launch(an_order("r2"))
    assert none(Launch, actions) and isinstance(only(Deliver, actions).delivery, GiveBack)


def test_the_second_signal_ends_the_runs_and_gives_them_back() -> None:
    scene = Scene()
    scene.run()
    scene.tell(Signalled())
    assert only(Terminate, scene.tell(Signalled()))
    scene.exit(signal=15)
    assert isinstance(only(Deliver, scene.tell(LogsShipped("r1"))).delivery, GiveBack)
    assert only(Leave, scene.tell(Delivered("r1")))


def test_a_drain_ends_the_runs_when_its_time_is_over() -> None:
    scene = Scene(drain_seconds=60)
    scene.run()
    assert SetTimer((Timer.DRAIN, ""), scene.now + 60) in scene.tell(Signalled())
    assert only(Terminate, scene.tell(DRAIN, after=60))


def test_an_operators_drain_that_is_told_with_every_renewal_is_no_second_signal() -> None:
    scene = Scene()
    scene.run()
    for _ in range(3):
        told = Renewed(scene.now, frozenset({"r1"}), level=EndLevel.DRAIN)
        assert none(Terminate, scene.tell(told))
    assert only(Terminate, scene.tell(Renewed(scene.now, frozenset({"r1"}), level=EndLevel.STOP)))


def test_a_supervisor_without_its_keeper_kills_at_once() -> None:
    scene = Scene()
    scene.run()
    assert only(KillTree, scene.tell(AskedToEnd(EndLevel.ABANDON)))


def test_a_stopping_agent_does_not_wait_for_ever_for_redis() -> None:
    scene = Scene()
    scene.run()
    scene.tell(Signalled())
    scene.tell(Signalled())
    scene.exit(signal=15)
    timer = next(a for a in scene.tell(LogsShipped("r1")) if isinstance(a, SetTimer))
    assert (timer.key, timer.at) == ((Timer.LEAVE, ""), scene.now + 2)
    assert only(Leave, scene.tell(LEAVE, after=2))
