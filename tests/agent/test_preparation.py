"""What is prepared, how often it is tried, and what becomes of the runs that wait; nothing is really prepared."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from agent.actions import AskForRuns, Deliver, Launch, Prepare, Renew, SetTimer, StopPreparing, Tidy
from agent.errors import PreparationFailed
from agent.messages import Fault, Prepared, Progressed, Signalled, Timer, TimerDue
from agent.needs import Providers
from agent.orders import Order, Ref
from agent.preparation import MOST_AT_ONCE
from agent.runners.outcome import GiveBack
from queues.claims import Outcome
from tests.agent.scene import Scene, an_order, none, only


@dataclass(frozen=True)
class Thing:
    """A need of nothing in particular."""

    key: str
    part: str = "code"
    kind: str = "thing"

    def to_dict(self) -> dict[str, Any]:
        return {"key": self.key}


def needing(*keys: str, run: str = "r1", **changes: Any) -> Order:
    """An order of a deployment whose needs are not here."""
    needs = tuple(Thing(key) for key in keys)
    changes = {"limit": f"deployment:{run}", "code": f"flow/{run}@1", "deployment": f"flow/{run}", **changes}
    return an_order(run, needs=needs, missing=needs, ref=Ref(run, 7, "claim"), claimed_us=5_000_000, **changes)


def avoided(scene: Scene) -> tuple[str, ...]:
    """What the next claim leaves alone."""
    scene.supervision.claiming.asking = False
    return only(AskForRuns, scene.tell(TimerDue((Timer.POLL, "")))).avoid


def test_a_run_whose_code_is_not_here_is_given_back_and_its_deployment_left_alone() -> None:
    scene = Scene()
    actions = scene.launch(needing("c1"))
    said = only(Deliver, actions).delivery
    assert said == GiveBack("here prepares its code first", unstarted=True) and only(Prepare, actions).need.key == "c1"
    assert none(Launch, actions) and not scene.supervision.runs, "no slot is held"
    assert avoided(scene) == ("deployment:r1",)


def test_runs_of_others_are_asked_for_at_once_since_what_is_prepared_takes_no_slot() -> None:
    scene = Scene(limit=1)
    ask = only(AskForRuns, scene.launch(needing("c1")))
    assert (ask.count, ask.avoid) == (1, ("deployment:r1",))


def test_what_is_prepared_stands_in_the_presence_at_once() -> None:
    scene = Scene()
    shown = json.loads(only(Renew, scene.launch(needing("c1"))).preparing)
    assert shown == {"flow/r1": {"part": "code", "what": "starting", "since_us": 5_000_000}}
    scene.tell(Progressed("c1", "fetching 12 files"))
    assert "fetching 12 files" in scene.supervision.preparer.shown()


def test_a_prepared_need_makes_its_deployment_claimable_at_once() -> None:
    scene = Scene()
    scene.launch(needing("c1"))
    scene.supervision.claiming.asking = False
    actions = scene.tell(Prepared("c1"))
    assert only(AskForRuns, actions).avoid == ()
    assert not none(Launch, scene.launch(an_order("r1", needs=(Thing("c1"),))))
    assert scene.supervision.preparer.shown() == ""


def test_a_deployment_with_two_needs_waits_for_both() -> None:
    scene = Scene()
    scene.launch(needing("c1", "e1"))
    scene.tell(Prepared("c1"))
    assert avoided(scene) == ("deployment:r1",)
    scene.tell(Prepared("e1"))
    assert avoided(scene) == ()


def test_a_need_of_several_deployments_is_prepared_once() -> None:
    scene = Scene(limit=4)
    actions = scene.launch(needing("c1"), needing("c1", run="r2"), needing("c1", run="r3"))
    assert only(Prepare, actions).need.key == "c1"
    scene.tell(Prepared("c1"))
    assert avoided(scene) == ()


def test_at_most_four_needs_are_prepared_at_once() -> None:
    scene = Scene(limit=10)
    actions = scene.launch(*(needing(f"c{number}", run=f"r{number}") for number in range(7)))
    assert len([one for one in actions if isinstance(one, Prepare)]) == MOST_AT_ONCE
    assert only(Prepare, scene.tell(Prepared("c0"))).need.key == "c4"
    assert only(Prepare, scene.tell(Prepared("c1", Fault.FINAL, "no"))).need.key == "c5"


def test_a_passing_failure_is_tried_three_times_and_then_ends_runs_without_a_retry() -> None:
    scene = Scene()
    scene.launch(needing("c1"))
    for pause in (5.0, 20.0):
        timer = only(SetTimer, [one for one in scene.tell(Prepared("c1", Fault.PASSING, "no net")) if is_try(one)])
        assert timer.at == scene.now + pause and avoided(scene) == ("deployment:r1",)
        assert only(Prepare, scene.tell(TimerDue(timer.key), after=pause)).need.key == "c1"
    scene.tell(Prepared("c1", Fault.PASSING, "no net"))
    assert avoided(scene) == ()
    said = only(Deliver, scene.launch(needing("c1"))).delivery
    assert isinstance(said, Outcome) and (said.state, said.name, said.retry_in_seconds) == (
        "FAILED",
        "NotPrepared",
        None,
    )
    assert said.reason == "its code could not be prepared on here: no net"


def test_while_redis_is_away_it_is_tried_every_two_seconds_and_no_run_fails_for_it() -> None:
    scene = Scene()
    scene.launch(needing("c1"))
    for _ in range(20):
        timer = only(SetTimer, [one for one in scene.tell(Prepared("c1", Fault.OUTAGE, "gone")) if is_try(one)])
        assert timer.at == scene.now + 2.0
        assert only(Prepare, scene.tell(TimerDue(timer.key), after=2.0)).need.key == "c1"
    scene.tell(Prepared("c1"))
    assert avoided(scene) == ()


def is_try(action: object) -> bool:
    return isinstance(action, SetTimer) and action.key[0] is Timer.PREPARE


def test_after_a_final_failure_one_more_try_is_made_each_time_later() -> None:
    scene = Scene()
    scene.launch(needing("c1"))
    for refusal in (60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0):
        scene.tell(Prepared("c1", Fault.FINAL, "gone"))
        assert none(Prepare, scene.launch_after(refusal - 1, needing("c1")))
        actions = scene.launch_after(2, needing("c1"))
        assert only(Prepare, actions) and isinstance(only(Deliver, actions).delivery, GiveBack)


def test_no_run_fails_for_what_is_this_machines_own_fault() -> None:
    scene = Scene()
    scene.launch(needing("c1"))
    waited = []
    for _ in range(9):
        timer = only(SetTimer, [one for one in scene.tell(Prepared("c1", Fault.MACHINE, "disk full")) if is_try(one)])
        waited.append(timer.at - scene.now)
        assert avoided(scene) == ("deployment:r1",) and "disk full" in scene.supervision.preparer.shown()
        scene.tell(TimerDue(timer.key), after=waited[-1])
    assert waited == [5.0, 20.0, 60.0, 120.0, 240.0, 480.0, 960.0, 1800.0, 1800.0]


def test_a_draining_agent_prepares_nothing_any_more() -> None:
    scene = Scene()
    scene.launch(needing("c1"))
    assert only(StopPreparing, scene.tell(Signalled()))
    assert none(Prepare, scene.launch(needing("c2")))
    assert none(Prepare, scene.tell(Prepared("c1")))


def test_only_places_that_runs_use_are_kept() -> None:
    scene = Scene()
    scene.run(an_order("r1", needs=(Thing("c1"),)))
    assert only(Tidy, scene.tell(TimerDue((Timer.TIDY, "")))).used == frozenset({"c1"})


# ------------------------------------------------------------------- providers
class Shelf:
    """A provider whose things are there or not."""

    def __init__(self) -> None:
        self.there = {"c1"}
        self.unpinned: list[str] = []

    def need(self, fields: Mapping[str, Any]) -> Thing:
        return Thing(fields["key"])

    def place(self, need: Thing) -> Path | None:
        return Path("/shelf") if need.key in self.there else None

    def prepare(self, need: Thing, progress: Any) -> Path:
        self.there.add(need.key)
        return Path("/shelf")

    def unpin(self, need: Thing) -> None:
        self.unpinned.append(need.key)


def test_a_place_stays_pinned_while_its_run_is_on_its_way_or_goes_on() -> None:
    shelf, now = Shelf(), [100.0]
    providers = Providers({"thing": shelf}, now=lambda: now[0])
    assert providers.place(Thing("c1")) and providers.place(Thing("c2")) is None
    providers.unpin_all_but(frozenset())
    assert shelf.unpinned == [], "it was asked for just now"
    now[0] += 100.0
    providers.unpin_all_but(frozenset({"c1"}))
    assert shelf.unpinned == []
    providers.unpin_all_but(frozenset())
    assert shelf.unpinned == ["c1"]


def test_a_need_of_an_unknown_kind_is_a_final_failure() -> None:
    with pytest.raises(PreparationFailed, match="can not prepare a moon") as failed:
        Providers({}).prepare("moon", {}, print)
    assert failed.value.final
