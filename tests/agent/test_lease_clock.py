"""The two deadlines of a lease, and a clock that jumped."""

import pytest

from agent import lease_clock
from agent.actions import Action, KillTree, Register, SetTimer
from agent.messages import Claimed, Renewed, Timer, TimerDue
from tests.agent.scene import Scene, an_order


def renew_at(actions: list[Action]) -> float:
    """When the next renewal is to be sent."""
    (timer,) = [action for action in actions if isinstance(action, SetTimer) and action.key == (Timer.RENEW, "")]
    return timer.at


@pytest.mark.parametrize("lease", [1.0, 3.0, 6.0, 14.0])
def test_the_shorter_lease_of_a_work_queue_is_renewed_in_time_too(lease: float) -> None:
    scene = Scene()
    scene.launch(an_order("long"))
    at = renew_at(scene.tell(Claimed(scene.now, (an_order("r1", lease_seconds=lease),))))
    run = scene.supervision.runs["r1"]
    for _ in range(5):
        assert at <= scene.now + lease / 2 < lease_clock.kill_at(run)
        scene.tell(TimerDue((Timer.RENEW, "")), after=at - scene.now)
        at = renew_at(scene.tell(Renewed(scene.now, frozenset({"r1", "long"})), after=0.01))


def test_a_lease_of_the_usual_length_changes_nothing_about_renewals() -> None:
    timers = [action.key[0] for action in Scene().launch(an_order()) if isinstance(action, SetTimer)]
    assert Timer.LEASE in timers and Timer.RENEW not in timers


def test_after_an_hour_asleep_the_runs_are_killed_before_anything_else_is_done() -> None:
    scene = Scene()
    scene.run(an_order("r1"), an_order("r2"))
    woken = scene.tell(TimerDue((Timer.LEASE, "")), after=3600.0)
    assert {action.run_id for action in woken if isinstance(action, KillTree)} == {"r1", "r2"}
    back = scene.tell(Renewed(scene.now, frozenset(), registered=False))
    assert any(isinstance(action, Register) for action in back)


@pytest.mark.parametrize("lease", [0.5, 1.5, 5.0, 15.0, 30.0, 3600.0])
def test_the_own_kill_the_kernels_and_the_next_start_come_in_this_order_for_every_lease(lease: float) -> None:
    scene = Scene()
    scene.run(an_order(lease_seconds=lease))
    run = scene.supervision.runs["r1"]
    own, kernels = lease_clock.kill_at(run) - run.lease_from, scene.supervision.dead_man
    assert kernels is not None and kernels - run.lease_from == pytest.approx(lease)
    assert lease * 0.8 <= own <= lease - min(3.0, 0.19 * lease), "two renewals fit before it, time to kill after it"
