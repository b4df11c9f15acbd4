"""Finding and listing runs."""

import uuid

import pytest

from orchestrator.errors import Ambiguous, NotFound
from orchestrator.runs import run_name
from orchestrator.store import runs as store_runs
from orchestrator.store.run_lists import Filter
from queues.runs import NewRun
from tests.support.deployments import Worker

GROUP = "deployment:f67946e6-6291-5c97-a4e8-3ce5007dd3ea"


def make(store, count=1, queue="default", groups=(), ids=()):
    made = list(ids) or [str(uuid.uuid4()) for _ in range(count)]
    store.records.create([NewRun(id=one, queue=queue, actor="test", groups=groups) for one in made])
    return made


def ids(runs):
    return [run.id for run in runs]


def test_a_run_is_found_by_id_beginning_of_id_and_name(store):
    (run,) = make(store)
    make(store, 20)
    for wanted in (run, run.upper(), run[:13], run_name(run)):
        assert store.runs.find(wanted).id == run


def test_a_run_is_found_among_more_than_one_call_looks_at(store, monkeypatch):
    (run,) = make(store)
    make(store, 60)
    monkeypatch.setattr(store_runs, "SCANNED_PER_CALL", 7)
    assert store.runs.find(run[:12]).id == store.runs.find(run_name(run)).id == run


def test_an_ambiguous_beginning_lists_the_runs_and_an_unknown_one_names_the_nearest(store):
    make(store, ids=["aaaa1111-0000-4000-8000-000000000001", "aaaa1111-0000-4000-8000-000000000002"])
    with pytest.raises(Ambiguous, match=r"fits 2 flow runs: aaaa1111.*01 \(.*\), aaaa1111"):
        store.runs.find("aaaa")
    with pytest.raises(NotFound) as unknown:
        store.runs.find("aaaa1111-0000-4000-8000-000000000003")
    assert "aaaa1111-0000-4000-8000-00000000000" in unknown.value.hint


def test_a_run_that_is_claimed_while_its_name_is_looked_up_is_one_run(store, monkeypatch):
    worker, (run,) = Worker(store), make(store)
    newest = store.runs._newest

    def claimed_after_a_look_at_what_waits(state, count):
        yield from list(newest(state, count))
        if state == "QUEUED":
            worker.start()

    monkeypatch.setattr(store.runs, "_newest", claimed_after_a_look_at_what_waits)
    assert store.runs.find(run_name(run)).id == run


@pytest.mark.parametrize("wanted", ["*", "[a-f]", "../x", "a{b}c", "\0", "é", "", "x" * 300])
def test_what_can_be_no_name_finds_nothing(store, wanted):
    make(store)
    with pytest.raises(NotFound):
        store.runs.find(wanted)


def test_the_list_is_newest_first_over_all_states(store):
    old = make(store, 3)
    new = make(store, 3)
    store.records.cancel(old[0], actor="test")
    store.records.cancel(new[0], actor="test")
    assert set(ids(store.runs.page(3))) == set(new)
    assert set(ids(store.runs.page(100))) == {*old, *new}


def test_pages_follow_each_other_without_gap_or_double(store, monkeypatch):
    monkeypatch.setattr(store_runs, "EXAMINED_PER_CALL", 7)
    made = make(store, 230)  # several of them were made in the same microsecond
    seen, after = [], None
    while page := store.runs.page(20, Filter(after=after)):
        seen += ids(page)
        after = page[-1].id
    assert len(seen) == 230
    assert set(seen) == set(made)


def test_filters_combine(store):
    store.queues.create("ml")
    mine = make(store, 5, queue="ml", groups=(GROUP,))
    make(store, 5, queue="ml")
    make(store, 5, groups=(GROUP,))
    store.records.cancel(mine[0], actor="test")
    which = Filter(states=("QUEUED",), deployment_id=GROUP.partition(":")[2], queue="ml")
    assert set(ids(store.runs.page(100, which))) == set(mine[1:])


def test_only_runs_made_since_a_time_are_listed(store):
    make(store, 3)
    store.travel(1_000_000)
    since = store.scripts.now_us()
    new = make(store, 2)
    assert set(ids(store.runs.page(100, Filter(since_us=since)))) == set(new)


def test_runs_are_chosen_by_when_they_were_made_and_by_when_they_ended(store):
    old, new = make(store), make(store, 2)
    store.travel(1_000_000)
    between = store.scripts.now_us()
    store.travel(1_000_000)
    store.records.cancel(old[0], actor="test")
    late = make(store)
    assert set(ids(store.runs.page(9, Filter(until_us=between)))) == {*old, *new}
    assert ids(store.runs.page(9, Filter(since_us=between))) == late
    assert ids(store.runs.page(9, Filter(since_us=between, by_end=True))) == old
    assert ids(store.runs.page(9, Filter(until_us=between, by_end=True))) == []
    assert ids(store.runs.page(9, Filter(since_us=between, until_us=store.scripts.now_us(), by_end=True))) == old


def test_runs_are_chosen_by_flow_and_tag_however_long_these_are(store):
    flow, tags = "etl_" * 40, [f"tag-{number}" for number in range(30)]
    run = NewRun(id=str(uuid.uuid4()), queue="default", actor="test", fields={"flow": flow, "tags": "\n".join(tags)})
    store.records.create([run])
    make(store, 3)
    for wanted in (Filter(flow=flow), Filter(tag="tag-0"), Filter(tag="tag-29"), Filter(flow=flow, tag="tag-15")):
        assert ids(store.runs.page(9, wanted)) == [run.id]
    for other in (Filter(flow=flow[:-1]), Filter(tag="tag-"), Filter(tag="ag-1"), Filter(flow="x", tag="tag-1")):
        assert store.runs.page(9, other) == []


def test_a_rare_run_is_found_among_many_in_bounded_steps(store, monkeypatch):
    store.queues.create("ml")
    rare = make(store, 1, queue="ml")
    make(store, 500)
    monkeypatch.setattr(store_runs, "EXAMINED_PER_CALL", 50)
    assert ids(store.runs.page(10, Filter(queue="ml"))) == rare


def test_the_few_waiting_runs_of_a_deployment_are_found_without_a_walk_through_all_it_ever_ran(store, monkeypatch):
    own = make(store, 60, groups=(GROUP,))
    for run_id in own[:57]:
        store.records.cancel(run_id, actor="test")
    make(store, 5)
    monkeypatch.setattr(store_runs, "EXAMINED_PER_CALL", 4)
    assert {one for piece in store.runs.waiting_of(GROUP.partition(":")[2]) for one in piece} == set(own[57:])
