"""The life of one run: which messages lead to which actions, in every order that may happen."""

from agent.actions import (
    Action,
    ClearTree,
    Confirm,
    Deliver,
    Forget,
    KillTree,
    Launch,
    LetGo,
    Measure,
    SetTimer,
    ShipLogs,
    TellToStop,
    Terminate,
)
from agent.errors import LaunchFailed, NotOnThisMachine
from agent.messages import (
    Confirmed,
    Delivered,
    Exited,
    Hello,
    LaunchRefused,
    LogsShipped,
    Measured,
    Renewed,
    ResultCame,
    Timer,
    TimerDue,
    TimerKey,
    TreeGone,
    WireBroken,
)
from agent.runners.limits import LOOK_SECONDS, Limits, Use
from agent.runners.outcome import Exit, GiveBack, Result, Rules, Verdict
from queues.claims import Outcome
from queues.states import State
from tests.agent.scene import Scene, an_order, none, only

COMPLETED = Result(state=State.COMPLETED)


def cancelled(scene: Scene) -> Renewed:
    return Renewed(scene.now, frozenset({"r1"}), (("r1", Verdict.CANCELLED),))


def lost(scene: Scene) -> Renewed:
    return Renewed(scene.now, frozenset(), (("r1", Verdict.LOST),))


def test_user_code_runs_only_after_redis_confirmed_the_claim() -> None:
    scene = Scene()
    assert only(Launch, scene.launch()).order == an_order()
    assert only(Confirm, scene.tell(Hello("r1"))).ref == an_order().ref
    assert only(LetGo, scene.tell(Confirmed("r1", "ok"))).run_id == "r1"


def test_a_superseded_process_is_killed_and_nothing_is_said_about_it() -> None:
    scene = Scene()
    scene.launch()
    scene.tell(Hello("r1"))
    actions = scene.tell(Confirmed("r1", "lost"))
    assert none(LetGo, actions) and only(KillTree, actions)
    assert only(Forget, scene.exit(signal=9)) and "r1" not in scene.supervision.runs


def test_the_end_is_told_after_the_tree_is_gone_and_the_logs_are_shipped() -> None:
    scene = Scene()
    scene.run()
    scene.tell(ResultCame("r1", COMPLETED))
    assert only(ClearTree, scene.tell(Exited("r1", Exit(code=0)))).grace > 0
    assert only(ShipLogs, scene.tell(TreeGone("r1")))
    said = only(Deliver, scene.tell(LogsShipped("r1"))).delivery
    assert isinstance(said, Outcome) and said.state == State.COMPLETED
    assert only(Forget, scene.tell(Delivered("r1")))


def test_the_end_does_not_wait_for_logs_that_do_not_arrive() -> None:
    scene = Scene()
    scene.run()
    timer = next(a for a in scene.exit() if isinstance(a, SetTimer) and a.key == (Timer.SHIP, "r1"))
    assert timer.at == scene.now + 2
    assert only(Deliver, scene.tell(TimerDue((Timer.SHIP, "r1")), after=2))
    assert none(Deliver, scene.tell(LogsShipped("r1"))), "the end is told once"


def test_cancel_is_sigterm_then_after_five_seconds_sigkill() -> None:
    scene = Scene()
    scene.run()
    actions = scene.tell(cancelled(scene))
    assert only(Terminate, actions) and only(TellToStop, actions) and none(KillTree, actions)
    assert SetTimer((Timer.KILL, "r1"), scene.now + 5) in actions
    assert only(KillTree, scene.tell(TimerDue((Timer.KILL, "r1")), after=5))
    scene.exit(signal=9)
    said = only(Deliver, scene.tell(LogsShipped("r1"))).delivery
    assert isinstance(said, Outcome) and said.state == State.CANCELLED


def test_a_cancel_that_is_told_again_does_not_start_over() -> None:
    scene = Scene()
    scene.run()
    scene.tell(cancelled(scene))
    assert none(Terminate, scene.tell(cancelled(scene)))


def test_a_lost_run_is_killed_at_once_even_while_it_is_being_cancelled() -> None:
    scene = Scene()
    scene.run()
    scene.tell(cancelled(scene))
    assert only(KillTree, scene.tell(lost(scene)))
    assert none(Deliver, scene.exit(signal=9))


def test_a_time_out_ends_a_hung_flow() -> None:
    scene = Scene()
    scene.launch(an_order(rules=Rules(timeout_seconds=10)))
    scene.tell(Hello("r1"))
    timer = next(a for a in scene.tell(Confirmed("r1", "ok")) if isinstance(a, SetTimer))
    assert (timer.key, timer.at) == ((Timer.TIME_OUT, "r1"), scene.now + 11)
    assert only(Terminate, scene.tell(TimerDue(timer.key), after=11))
    scene.exit(signal=15)
    said = only(Deliver, scene.tell(LogsShipped("r1"))).delivery
    assert isinstance(said, Outcome) and said.name == "TimedOut"


def test_a_result_stands_though_the_time_is_up_before_the_process_has_ended() -> None:
    scene = Scene()
    scene.run(an_order(rules=Rules(timeout_seconds=10)))
    scene.tell(ResultCame("r1", COMPLETED))
    assert none(Terminate, scene.tell(TimerDue((Timer.TIME_OUT, "r1"))))


def test_a_process_that_stays_after_its_result_is_killed() -> None:
    scene = Scene()
    scene.run()
    timer = only(SetTimer, scene.tell(ResultCame("r1", COMPLETED)))
    assert only(KillTree, scene.tell(TimerDue(timer.key), after=5))


def test_what_is_left_of_a_killed_run_gets_no_grace() -> None:
    scene = Scene()
    scene.run()
    scene.tell(lost(scene))
    assert only(ClearTree, scene.tell(Exited("r1", Exit(signal=9)))).grace == 0


def test_a_process_that_breaks_the_protocol_is_killed() -> None:
    scene = Scene()
    scene.run()
    assert only(KillTree, scene.tell(WireBroken("r1")))


def test_a_run_without_its_code_here_is_given_back_with_host_and_path() -> None:
    scene = Scene()
    scene.launch()
    said = only(Deliver, scene.tell(LaunchRefused("r1", NotOnThisMachine("h1 has no /flows/flow.py")))).delivery
    assert said == GiveBack("h1 has no /flows/flow.py")


def test_a_run_whose_interpreter_is_missing_fails_and_may_be_tried_again() -> None:
    scene = Scene()
    scene.launch(an_order(rules=Rules(retries=1, retry_delay_seconds=3)))
    said = only(Deliver, scene.tell(LaunchRefused("r1", LaunchFailed("no /venv/bin/python on h1")))).delivery
    assert isinstance(said, Outcome) and (said.state, said.retry_in_seconds) == (State.FAILED, 3)


def test_messages_about_a_run_that_is_over_change_nothing() -> None:
    scene = Scene()
    scene.run()
    scene.exit()
    scene.tell(LogsShipped("r1"))
    scene.tell(Delivered("r1"))
    for message in (Hello("r1"), Confirmed("r1", "ok"), ResultCame("r1", COMPLETED), TreeGone("r1")):
        assert scene.tell(message) == []


LIMITED = an_order(limits=Limits(memory_bytes=100, cpu_seconds=10))
LOOK = (Timer.LOOK, "r1")


def timers(actions: list[Action]) -> dict[TimerKey, float]:
    return {action.key: action.at for action in actions if isinstance(action, SetTimer)}


def test_only_a_run_with_limits_is_looked_at_again_and_again() -> None:
    scene = Scene()
    scene.launch(an_order(), an_order("r2", limits=LIMITED.limits))
    for run_id in ("r1", "r2"):
        scene.tell(Hello(run_id))
    assert LOOK not in timers(scene.tell(Confirmed("r1", "ok")))
    look = (Timer.LOOK, "r2")
    assert timers(scene.tell(Confirmed("r2", "ok")))[look] == scene.now + LOOK_SECONDS
    assert only(Measure, scene.tell(TimerDue(look))).run_id == "r2"
    assert timers(scene.tell(Measured("r2", Use(memory_bytes=99), 1.0)))[look] == scene.now + 20


def test_a_run_over_a_limit_is_killed_at_once_and_told_with_its_peak() -> None:
    scene = Scene()
    scene.run(LIMITED)
    scene.tell(Measured("r1", Use(memory_bytes=90, cpu_seconds=11)))
    scene.tell(Exited("r1", Exit(signal=9, cpu_seconds=11.5, max_rss_kb=2)))
    scene.tell(TreeGone("r1", cpu_seconds=1.5, max_rss_kb=3))
    said = only(Deliver, scene.tell(LogsShipped("r1"))).delivery
    assert isinstance(said, Outcome) and (said.state, said.name) == (State.FAILED, "OverLimit")
    assert said.reason == "over its CPU limit of 10 s (used 13.0 s): raise limits.cpu_seconds"
    assert said.fields == {"max_rss_kb": 3, "cpu_ms": 13000, "signal": "SIGKILL"}


def test_a_flow_that_has_said_how_it_ended_is_not_judged_any_more() -> None:
    scene = Scene()
    scene.run(LIMITED)
    scene.tell(ResultCame("r1", COMPLETED))
    assert scene.tell(Measured("r1", Use(memory_bytes=1000))) == [] and scene.tell(TimerDue(LOOK)) == []


def test_a_memory_error_under_a_memory_limit_is_told_as_the_limit() -> None:
    scene = Scene()
    scene.run(LIMITED)
    scene.tell(ResultCame("r1", Result(state=State.FAILED, message="MemoryError", data={"error": b"traceback"})))
    scene.exit()
    said = only(Deliver, scene.tell(LogsShipped("r1"))).delivery
    assert isinstance(said, Outcome) and said.reason.startswith("over its memory limit of 0 MiB")
    assert said.data == {"error": b"traceback"}
