"""An agent whose disk takes no lines: what runs goes on, nothing new is claimed."""

from agent.actions import AskForRuns, KillTree, Renew, Terminate
from agent.messages import Claimed, Renewed, SpoolFull, Woken
from tests.agent.scene import Scene, none, only


def test_it_claims_nothing_and_says_so_until_there_is_room() -> None:
    scene = Scene()
    scene.tell(Claimed(scene.now, ()))
    assert only(Renew, scene.tell(SpoolFull(True))).state == "spool full"
    scene.tell(Renewed(scene.now, frozenset()))
    assert none(AskForRuns, scene.tell(Woken()))
    assert only(AskForRuns, scene.tell(SpoolFull(False))).count == 2


def test_what_runs_goes_on() -> None:
    scene = Scene()
    scene.run()
    told = scene.tell(SpoolFull(True))
    assert none(KillTree, told) and none(Terminate, told) and "r1" in scene.supervision.runs
