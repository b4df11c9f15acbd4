"""Pausing, resuming and moving deployments, and looking ahead at what they will run."""

from datetime import timedelta

import pytest

from orchestrator.errors import Invalid, NotFound, RefusedByState
from orchestrator.runs import new_run_id
from orchestrator.scheduler.tick import tick
from orchestrator.schedules import CronSchedule
from orchestrator.store.deployments import OUTDATED, Put
from orchestrator.store.runs import new_run
from queues.clock import from_us
from queues.errors import UnknownQueue
from tests.support.deployments import HOURLY, MINUTELY, Worker, spec, travel_to, utc

MINUTE_US = 60_000_000


def queues_of(client):
    return {run.work_queue for run in client.list_flow_runs()}


def test_a_pause_is_told_once_and_leaves_what_waits(client):
    client.create_from_spec(spec(MINUTELY))
    client.run_deployment("nightly")
    first, again = client.pause_deployment("nightly"), client.pause_deployment("nightly")
    assert (first.changed, first.paused, first.waiting_runs, first.next_scheduled_time) == (True, True, 1, None)
    assert (again.changed, again.paused) == (False, True)
    assert [change.what for change in client.get_deployment("nightly").changes].count("paused") == 1


def test_a_resume_says_how_many_instants_made_no_run(client, store):
    client.create_from_spec(spec(MINUTELY))
    client.pause_deployment("nightly")
    store.travel(10 * MINUTE_US)
    assert tick(store).made == 0
    resumed = client.resume_deployment("nightly")
    assert (resumed.changed, resumed.paused, resumed.skipped_instants) == (True, False, 10)
    assert resumed.next_scheduled_time > from_us(store.scripts.now_us())
    assert not client.resume_deployment("nightly").changed
    assert tick(store).made == 0


def test_a_deployment_that_goes_to_another_queue_sends_its_next_runs_there(client, store):
    client.create_work_queue("gpu")
    client.create_from_spec(spec(MINUTELY))
    stays = client.run_deployment("nightly")
    moved = client.set_work_queue("nightly", "gpu")
    told = (moved.previous_work_queue, moved.work_queue, moved.changed, moved.revision)
    assert told == ("default", "gpu", True, 2)
    assert (moved.moved_runs, moved.waiting_elsewhere) == (0, 1)
    store.travel(MINUTE_US)
    assert tick(store).made == 1
    assert {run.work_queue for run in client.list_flow_runs() if run.id != stays.id} == {"gpu"}
    assert client.get_flow_run(stays.id).work_queue == "default"


def test_waiting_runs_go_along_when_asked_for_and_held_ones_stay(client, store):
    client.create_work_queue("gpu")
    client.create_from_spec(spec())
    held = client.run_deployment("nightly")
    Worker(store).start()
    waiting = [client.run_deployment("nightly") for _ in range(3)]
    later = client.run_deployment("nightly", at=from_us(store.scripts.now_us()) + timedelta(hours=1))
    moved = client.set_work_queue("nightly", "gpu", waiting=True)
    assert (moved.moved_runs, moved.waiting_elsewhere) == (4, 0)
    assert client.get_flow_run(held.id).work_queue == "default"
    assert {client.get_flow_run(run.id).work_queue for run in [*waiting, later]} == {"gpu"}
    assert [entry.run_id for entry in store.queues.waiting("gpu")] == [run.id for run in waiting]


def test_runs_that_are_made_while_others_move_are_told_as_waiting_elsewhere(client, store, monkeypatch):
    client.create_work_queue("gpu")
    client.create_from_spec(spec())
    client.run_deployment("nightly")
    transfer, late = store.records.transfer, new_run(store.deployments.find("nightly"), new_run_id(), actor="t")

    def slow(*arguments, **named):
        store.records.create([late])
        return transfer(*arguments, **named)

    monkeypatch.setattr(store.records, "transfer", slow)
    moved = client.set_work_queue("nightly", "gpu", waiting=True)
    assert (moved.moved_runs, moved.waiting_elsewhere) == (1, 1)


def test_moving_a_deployment_does_not_read_the_records_of_its_waiting_runs(client, store, redis):
    client.create_work_queue("gpu")
    client.create_from_spec(spec())
    made = store.deployments.find("nightly")
    store.records.create([new_run(made, new_run_id(), actor="t") for _ in range(300)])
    sent = redis.info("stats")["total_net_output_bytes"]
    assert client.set_work_queue("nightly", "gpu").waiting_elsewhere == 300
    assert redis.info("stats")["total_net_output_bytes"] - sent < 60_000


def test_setting_the_queue_it_has_changes_nothing_and_still_moves_what_waits_elsewhere(client):
    client.create_work_queue("gpu")
    client.create_from_spec(spec())
    client.run_deployment("nightly")
    client.set_work_queue("nightly", "gpu")
    again = client.set_work_queue("nightly", "gpu", waiting=True)
    assert (again.changed, again.revision, again.moved_runs) == (False, 2, 1)
    assert queues_of(client) == {"gpu"}


def test_schedules_and_the_pause_switch_keep_their_places_through_a_move(client, store):
    client.create_work_queue("gpu")
    client.create_from_spec(spec(HOURLY))
    client.pause_deployment("nightly")
    before = store.scripts.redis.dump(store.keys.schedule(client.get_deployment("nightly").id))
    client.set_work_queue("nightly", "gpu")
    after = client.get_deployment("nightly")
    assert after.paused and before == store.scripts.redis.dump(store.keys.schedule(after.id))
    change = next(one for one in after.changes if one.what == "work_queue")
    assert (change.who, change.old, change.new) == ("ada@lab", "default", "gpu")


def test_an_unknown_queue_or_deployment_moves_nothing(client, store):
    client.create_from_spec(spec())
    before = sorted((key, store.scripts.redis.dump(key)) for key in store.scripts.redis.scan_iter())
    with pytest.raises(UnknownQueue, match="did you mean 'default'"):
        client.set_work_queue("nightly", "defualt")
    with pytest.raises(NotFound, match="nihgtly"):
        client.set_work_queue("nihgtly", "default")
    assert before == sorted((key, store.scripts.redis.dump(key)) for key in store.scripts.redis.scan_iter())


def test_a_deploy_that_comes_in_between_is_not_undone_by_a_move(client, store, monkeypatch):
    client.create_work_queue("gpu")
    client.create_from_spec(spec(tags=["old"]))
    put, calls = store.deployments.put, []

    def beaten(*arguments, **named):
        calls.append(named)
        if len(calls) == 1:
            client.create_from_spec(spec(tags=["new"]))  # goes through here as well, as the second call
        return put(*arguments, **named)

    monkeypatch.setattr(store.deployments, "put", beaten)
    assert client.set_work_queue("nightly", "gpu").revision == 3
    shown = client.get_deployment("nightly")
    assert (shown.tags, shown.work_queue, [named.get("base") for named in calls]) == (("new",), "gpu", [1, None, 2])


def test_a_deployment_that_is_changed_every_time_is_left_alone_in_the_end(client, store, monkeypatch):
    client.create_work_queue("gpu")
    client.create_from_spec(spec())
    outdated = Put(status=OUTDATED, revision=9, paused=False, before=None)
    monkeypatch.setattr(store.deployments, "put", lambda *_, **__: outdated)
    with pytest.raises(RefusedByState, match="changed by somebody else"):
        client.set_work_queue("nightly", "gpu")


# ------------------------------------------------------------------ preview


def test_a_preview_has_the_ids_and_names_that_the_runs_will_get(client, store):
    client.create_from_spec(spec(MINUTELY, max_waiting=5))
    coming = client.preview_deployment("nightly", limit=3)
    for _ in range(3):
        store.travel(MINUTE_US)
        tick(store)
    made = {run.id: (run.name, run.scheduled_start_time) for run in client.list_flow_runs()}
    assert made == {run.run_id: (run.name, run.scheduled_start_time) for run in coming}


def test_a_preview_has_waiting_runs_first_and_says_what_made_them(client, store):
    client.create_from_spec(spec(MINUTELY))
    store.travel(MINUTE_US)
    tick(store)
    by_hand = client.run_deployment("nightly")
    rows = client.preview_deployment("nightly", limit=4)
    assert [(row.schedule is not None, row.state) for row in rows] == [
        (True, "QUEUED"),
        (False, "QUEUED"),
        (True, None),
        (True, None),
    ]
    assert rows[1].run_id == by_hand.id and rows[1].local_start_time is None


def test_a_preview_of_hours_ends_there_and_one_of_runs_counts_them(client):
    client.create_from_spec(spec(MINUTELY))
    assert len(client.preview_deployment("nightly", hours=1)) == 60
    assert len(client.preview_deployment("nightly", limit=7)) == 7
    assert len(client.preview_deployment("nightly")) == 10


def test_a_paused_deployment_has_only_what_waits(client):
    client.create_from_spec(spec(MINUTELY))
    client.pause_deployment("nightly")
    assert client.preview_deployment("nightly") == []
    client.run_deployment("nightly")
    assert len(client.preview_deployment("nightly")) == 1


@pytest.mark.parametrize(
    "given", [{"hours": 0}, {"hours": 9000}, {"limit": 0}, {"limit": 5001}, {"hours": 1, "limit": 1}]
)
def test_a_preview_out_of_range_is_refused(client, given):
    client.create_from_spec(spec())
    with pytest.raises(Invalid):
        client.preview_deployment("nightly", **given)


def test_both_days_of_a_clock_change_are_in_the_preview_with_what_happens_to_them(client, store):
    paris = "Europe/Paris"
    client.create_from_spec(spec(CronSchedule("30 2 * * *", timezone=paris)))
    notes = {}
    for day in (utc(2026, 3, 27), utc(2026, 10, 23)):
        travel_to(store, day)
        notes |= {row.local_start_time: row.note for row in client.preview_deployment("nightly", hours=72) if row.note}
    assert notes == {
        "2026-03-29T03:00:00+02:00": "2026-03-29 02:30 does not exist in Europe/Paris: that run starts at 03:00",
        "2026-10-25T02:30:00+02:00": "2026-10-25 02:30 comes twice in Europe/Paris: it runs once, the first time",
    }
