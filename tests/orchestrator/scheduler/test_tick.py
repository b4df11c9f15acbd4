"""Every instant of every schedule gets exactly one run or one recorded skip, whatever happens to schedulers."""

import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from orchestrator.runs import run_name, scheduled_run_id
from orchestrator.scheduler.leadership import Leadership
from orchestrator.scheduler.tick import tick
from orchestrator.schedules import CronSchedule, IntervalSchedule
from orchestrator.store import Store
from queues.clock import from_us
from tests.support.deployments import HOURLY, MINUTE_US, MINUTELY, NEW_YORK, Worker, spec, travel_to, utc

ROOT = Path(__file__).resolve().parents[3]
POINTS = ("begun", "created", "advanced")
DAY_US = 24 * 60 * MINUTE_US


def deploy(client, *schedules, **changes):
    return client.create_from_spec(spec(*schedules, **changes)).id


def all_done(store):
    while tick(store).seen:
        pass


def runs(store):
    return sorted(store.runs.page(10_000), key=lambda run: run.due_us)


def instants_of_runs(store):
    return [from_us(run.due_us) for run in runs(store)]


def skipped(store, deployment):
    return sum(skip.count for skip in store.schedules.skips(deployment, 1000))


def test_an_instant_makes_one_run_with_the_id_of_its_instant(store, client):
    travel_to(store, utc(2026, 3, 1, 12, 0, 30))
    deployment = deploy(client, MINUTELY)
    assert tick(store).seen == 0
    store.travel(MINUTE_US)
    assert tick(store).made == 1
    assert tick(store).seen == 0
    (run,) = runs(store)
    assert run.id == scheduled_run_id(deployment, "default", utc(2026, 3, 1, 12, 1))
    assert from_us(run.due_us) == utc(2026, 3, 1, 12, 1)
    assert (run.fields["flow"], run.fields["deployment"], run.history[0].actor) == ("score", "nightly", "scheduler")


def test_three_days_of_downtime_make_one_run_and_one_recorded_skip(store, client):
    travel_to(store, utc(2026, 3, 1, 12, 0, 30))
    deployment = deploy(client, MINUTELY)
    store.travel(3 * DAY_US)
    all_done(store)
    assert instants_of_runs(store) == [utc(2026, 3, 4, 12, 0)]
    (skip,) = store.schedules.skips(deployment)
    assert (from_us(skip.first_us), from_us(skip.last_us)) == (utc(2026, 3, 1, 12, 1), utc(2026, 3, 4, 11, 59))
    assert skip.count == 3 * 24 * 60 - 1


def test_a_deployment_has_at_most_one_scheduled_run_waiting_and_says_why(store, client):
    deployment = deploy(client, MINUTELY)
    for _ in range(5):
        store.travel(MINUTE_US)
        all_done(store)
    assert len(runs(store)) == 1
    (skip,) = store.schedules.skips(deployment)  # one range that has grown, not four
    assert skip.count == 4
    assert "still waiting" in skip.reason
    Worker(store).start()
    store.travel(MINUTE_US)
    all_done(store)
    assert len(runs(store)) == 2


def test_how_many_may_wait_can_be_set_and_a_manual_run_does_not_count(store, client):
    deploy(client, MINUTELY, max_waiting=3)
    client.run_deployment("nightly")
    for _ in range(5):
        store.travel(MINUTE_US)
        all_done(store)
    assert len(runs(store)) == 4


def test_catch_up_all_makes_a_run_for_every_missed_instant(store, client):
    deploy(client, IntervalSchedule(timedelta(minutes=1), catch_up="all"), max_waiting=10_000)
    store.travel(250 * MINUTE_US)
    all_done(store)
    assert len(runs(store)) == 250


@pytest.mark.parametrize("point", POINTS)
def test_kill_9_at_any_point_of_a_pass_doubles_and_loses_nothing(store, client, redis_url, point):
    deployment = deploy(client, MINUTELY)
    store.travel(30 * MINUTE_US)
    words = [
        sys.executable,
        str(Path(__file__).with_name("crasher.py")),
        redis_url,
        str(store.scripts.offset_us),
        point,
    ]
    assert subprocess.run(words, env={"PYTHONPATH": str(ROOT)}, timeout=30).returncode == -9
    store.travel(MINUTE_US)  # by now another instant is the latest: the decision stands all the same
    all_done(store)
    assert len(runs(store)) + skipped(store, deployment) == 31
    assert len(runs(store)) == 1


def test_two_schedulers_that_take_turns_at_every_step_make_each_run_once(store, client, redis):
    """Both see the same schedule due; the second does its whole pass at some point of the first one's."""
    rng = random.Random(7)
    deployment = deploy(client, MINUTELY, max_waiting=1000)
    second = Store(redis)
    for _ in range(60):
        store.travel(MINUTE_US * rng.choice([1, 1, 1, 2, 5]))
        second.travel(store.scripts.offset_us - second.scripts.offset_us)
        point = rng.choice(POINTS)
        tick(store, reached=lambda name, point=point: tick(second) if name == point else None)
    all_done(store)
    first = min(run.due_us for run in runs(store))
    last = max(run.due_us for run in runs(store))
    passed = (last - first) // MINUTE_US + 1
    early = sum(skip.count for skip in store.schedules.skips(deployment, 1000) if skip.last_us < first)
    assert len({run.due_us for run in runs(store)}) == len(runs(store))
    assert len(runs(store)) + skipped(store, deployment) - early == passed


def test_a_deposed_scheduler_writes_nothing(store, client):
    deploy(client, MINUTELY)
    old = Leadership(store).beat()
    store.travel(MINUTE_US)
    assert Leadership(store).beat().epoch == old.epoch + 1
    before = store.scripts.redis.hgetall(store.keys.schedule(client.get_deployment("nightly").id))
    assert tick(store, old.epoch).deposed
    assert runs(store) == []
    assert store.scripts.redis.hgetall(store.keys.schedule(client.get_deployment("nightly").id)) == before


@pytest.mark.parametrize("point", POINTS)
def test_a_schedule_edited_while_its_instant_is_made_leaves_one_run_at_most(store, client, point):
    deployment = deploy(client, MINUTELY)
    store.travel(MINUTE_US)
    edited = CronSchedule("* * * * *")  # the same instants under another rule
    tick(store, reached=lambda name: deploy(client, edited) if name == point else None)
    all_done(store)
    assert len(runs(store)) <= 1
    store.travel(MINUTE_US)
    all_done(store)
    dues = [run.due_us for run in runs(store)]
    assert len(dues) == len(set(dues))
    assert len(dues) + skipped(store, deployment) == 2


def test_an_edit_while_no_scheduler_ran_records_what_was_missed(store, client):
    deployment = deploy(client, MINUTELY)
    store.travel(10 * MINUTE_US)
    deploy(client, HOURLY)
    (skip,) = store.schedules.skips(deployment)
    assert (skip.count, "changed" in skip.reason) == (10, True)
    assert tick(store).made == 0


def test_a_paused_deployment_makes_no_runs_and_no_burst_afterwards(store, client):
    deployment = deploy(client, MINUTELY)
    client.pause_deployment("nightly")
    store.travel(100 * MINUTE_US)
    assert tick(store).seen == 0
    client.resume_deployment("nightly")
    assert tick(store).seen == 0
    (skip,) = store.schedules.skips(deployment)
    assert (skip.count, skip.reason) == (100, "the deployment was paused")
    store.travel(MINUTE_US)
    all_done(store)
    assert len(runs(store)) == 1


def test_the_preview_of_a_new_york_schedule_names_the_runs_that_come(store, client):
    travel_to(store, utc(2026, 6, 1))
    client.create_from_spec(spec(NEW_YORK))
    rows = client.preview_work_queue("default", hours=24 * 210)
    times = [row.scheduled_start_time for row in rows]
    assert [(at.month, at.day, at.hour) for at in times] == [
        (6, 15, 13), (7, 15, 13), (8, 15, 13), (9, 15, 13), (10, 15, 13), (11, 15, 14), (12, 15, 14),
    ]  # fmt: skip
    worker = Worker(store)
    for at in times:
        travel_to(store, at + timedelta(seconds=1))
        all_done(store)
        worker.run_one()
    assert [(run.id, run_name(run.id)) for run in runs(store)] == [(row.run_id, row.name) for row in rows]


def test_ten_thousand_instants_of_many_schedules_each_get_a_run_or_a_skip(store, client):
    kinds = [IntervalSchedule(timedelta(minutes=minutes), slug=f"every-{minutes}") for minutes in range(1, 21)]
    travel_to(store, utc(2026, 3, 1, 12, 0, 30))
    deployment = deploy(client, *kinds, max_waiting=1000)
    for _ in range(6):
        store.travel(500 * MINUTE_US)
        all_done(store)
    expected = sum(3000 // minutes for minutes in range(1, 21))
    assert abs(len(runs(store)) + skipped(store, deployment) - expected) <= len(kinds)
    assert expected > 10_000


def test_large_specs_are_read_in_small_steps(store, client):
    for number in range(4):
        deploy(client, MINUTELY, name=f"large-{number}", parameters={"text": "x" * 200_000})
    store.travel(MINUTE_US)
    assert [tick(store).made for _ in range(3)] == [3, 1, 0]


def test_a_schedule_that_can_not_be_read_does_not_keep_the_others_from_their_runs(store, client):
    bad = deploy(client, MINUTELY, name="bad")
    deploy(client, MINUTELY, name="good")
    store.scripts.redis.hset(store.keys.schedule(bad), "body:default", '{"kind": "moon"}')
    store.travel(MINUTE_US)
    all_done(store)
    assert [run.fields["deployment"] for run in runs(store)] == ["good"]
    assert tick(store).seen == 0  # it is put aside, and not looked at again and again


def test_a_run_whose_work_queue_is_gone_is_a_recorded_skip(store, client):
    store.queues.create("ml")
    deployment = deploy(client, MINUTELY, work_queue="ml")
    deploy(client, MINUTELY, name="good")
    store.scripts.redis.srem(store.keys.queues, "ml")
    store.travel(MINUTE_US)
    all_done(store)
    assert [run.fields["deployment"] for run in runs(store)] == ["good"]
    assert store.schedules.skips(deployment)[0].reason == "its work queue ml does not exist"


def test_a_clock_that_goes_back_makes_nothing_twice(store, client):
    deployment = deploy(client, MINUTELY, max_waiting=1000)
    store.travel(10 * MINUTE_US)
    all_done(store)
    store.travel(-5 * MINUTE_US)
    all_done(store)
    store.travel(6 * MINUTE_US)
    all_done(store)
    assert len(runs(store)) + skipped(store, deployment) == 11
    assert len(runs(store)) == 2
