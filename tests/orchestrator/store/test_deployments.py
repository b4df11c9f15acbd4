"""Applying deployments: one script, a revision number, and nothing lost by applying again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import Ambiguous, NotFound
from orchestrator.schedules import CronSchedule
from orchestrator.store.deployments import PlacedSchedule, canonical
from orchestrator.store.instants import first_after
from queues.errors import UnknownQueue
from tests.support.deployments import HOURLY, MINUTELY, spec

ID = "f67946e6-6291-5c97-a4e8-3ce5007dd3ea"


def placed(made, now_us):
    texts = {one["slug"]: canonical(one) for one in made["schedules"]}
    return [PlacedSchedule(slug=slug, text=text, next_us=first_after(text, now_us)) for slug, text in texts.items()]


def put(store, made, deployment=ID):
    return store.deployments.put(deployment, made, placed(made, store.scripts.now_us()), "ada")


def due(store):
    return dict(store.scripts.redis.zrange(store.keys.due, 0, -1, withscores=True))


def test_the_first_apply_creates_the_second_changes_nothing_a_different_one_updates(store):
    assert put(store, spec(MINUTELY)).status == "created"
    before = due(store)
    store.travel(90_000_000)
    assert put(store, spec(MINUTELY)).status == "unchanged"
    assert due(store) == before
    updated = put(store, spec(MINUTELY, tags=["ml"]))
    assert (updated.status, updated.revision, updated.before["tags"]) == ("updated", 2, [])


def test_a_changed_schedule_starts_after_now_and_an_unchanged_one_keeps_its_place(store):
    daily = CronSchedule("0 3 * * *", slug="daily")
    put(store, spec(MINUTELY, daily))
    kept = due(store)[f"{ID}/daily".encode()]
    store.travel(90_000_000)
    put(store, spec(HOURLY, daily))
    assert due(store)[f"{ID}/daily".encode()] == kept
    assert len(due(store)) == 2
    assert all(at > store.scripts.now_us() for at in due(store).values())


def test_no_schedules_removes_them(store):
    put(store, spec(MINUTELY))
    put(store, spec())
    assert due(store) == {}
    assert store.deployments.get(ID).schedules == ()


def test_the_pause_switch_survives_an_apply(store):
    put(store, spec(MINUTELY))
    store.deployments.set_paused(ID, True, {}, "ada")
    assert put(store, spec(HOURLY)).paused
    assert due(store) == {}


def test_an_unknown_work_queue_changes_nothing(store):
    with pytest.raises(UnknownQueue):
        put(store, spec(work_queue="gpu"))
    assert store.deployments.names() == {}
    assert store.scripts.redis.keys("*deployment*") == []


def test_the_limit_of_a_deployment_is_set_and_cleared_with_it(store):
    put(store, spec(concurrency_limit=2))
    assert store.limits.get(f"deployment:{ID}") == 2
    put(store, spec(concurrency_limit=None))
    assert store.limits.get(f"deployment:{ID}") is None


def test_every_revision_can_be_read_and_a_deployment_made_anew_goes_on_counting(store):
    put(store, spec(tags=["old"]))
    put(store, spec(tags=["new"]))
    assert [store.deployments.spec(ID, n)["tags"] for n in (1, 2)] == [["old"], ["new"]]
    store.deployments.delete(ID, "ada")
    assert put(store, spec()).revision == 3
    assert store.deployments.spec(ID, 1) is None


def test_delete_leaves_only_the_revision_counter_and_what_its_runs_are_found_by(store):
    put(store, spec(MINUTELY, concurrency_limit=1))
    assert store.deployments.delete(ID, "ada")
    left = {key.decode().rpartition(":")[2] for key in store.scripts.redis.keys("*")}
    assert left <= {"revisions", "traits", "changes", "default", "queues", "scheduler"}
    assert not store.deployments.delete(ID, "ada")


def test_a_deployment_is_found_by_full_name_name_id_and_beginning_of_its_id(store):
    put(store, spec())
    for wanted in ("score/nightly", "nightly", ID, ID[:6]):
        assert store.deployments.find(wanted).id == ID


def test_an_unknown_name_is_answered_with_the_nearest_and_an_ambiguous_one_with_the_list(store):
    put(store, spec())
    put(store, spec(flow="train"), "f67946e6-0000-5c97-a4e8-3ce5007dd3ea")
    with pytest.raises(NotFound) as unknown:
        store.deployments.find("score/nihgtly")
    assert "score/nightly" in unknown.value.hint
    with pytest.raises(Ambiguous, match="score/nightly, train/nightly"):
        store.deployments.find("f679")
    with pytest.raises(Ambiguous, match="score/nightly, train/nightly"):
        store.deployments.find("nightly")  # two flows have one of this name


def test_every_change_is_recorded_with_who_and_what(store):
    put(store, spec(concurrency_limit=1))
    put(store, spec(concurrency_limit=2))
    newest = store.changes.of(f"deployment:{ID}")
    assert [(change.field, change.old, change.new) for change in newest[:2]] == [
        ("limit", "1", "2"),
        ("revision", "1", "2"),
    ]
    assert {change.actor for change in newest} == {"ada"}


def test_old_specs_go_once_no_unfinished_run_can_need_them(store):
    for number in range(15):
        put(store, spec(tags=[f"t{number}"]))
    now_us = store.scripts.now_us()
    assert store.deployments.revisions.trim(ID, needed_since_us=0, keep=5) == 0
    assert store.deployments.revisions.trim(ID, needed_since_us=now_us + 1, keep=5) == 10
    assert store.scripts.redis.hlen(store.keys.specs(ID)) == 10


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_the_text_of_a_spec_is_the_same_for_equal_values(value):
    assert canonical({"b": value, "a": 1}) == canonical({"a": 1, "b": value})
    assert canonical({"a": value}).isascii()


def test_an_apply_made_from_a_revision_that_was_replaced_writes_nothing(store):
    put(store, spec(MINUTELY))
    put(store, spec(MINUTELY, tags=["ml"]))
    before = store.scripts.redis.dump(store.keys.deployment(ID)), due(store)
    made = spec(MINUTELY, tags=["other"])
    late = store.deployments.put(ID, made, placed(made, store.scripts.now_us()), "bob", base=1)
    assert (late.status, late.revision) == ("outdated", 2)
    assert before == (store.scripts.redis.dump(store.keys.deployment(ID)), due(store))
    sent, again = (store.deployments.put(ID, made, [], "bob", base=2) for _ in range(2))
    assert (sent.status, again.status, again.revision) == ("updated", "unchanged", 3)


def test_a_change_of_the_work_queue_is_recorded_with_the_old_and_the_new(store):
    store.queues.create("gpu")
    put(store, spec(parameters={"work_queue": "a value"}))
    put(store, spec(parameters={"work_queue": "a value"}, work_queue="gpu"))
    change = next(one for one in store.changes.of(f"deployment:{ID}") if one.field == "work_queue")
    assert (change.actor, change.old, change.new) == ("ada", "default", "gpu")
