"""The two deadlines of a lease, and a clock that jumped."""

import pytest

from agent import lease_clock
from agent.actions import KillTree, Register
from agent.messages import Renewed, Timer, TimerDue
from tests.agent.scene import Scene, an_order


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
