"""Every combination of what runs are listed by gives exactly what a look at all records finds."""

import itertools
import random
import uuid

import pytest

from orchestrator.deployments import deployment_id
from orchestrator.keys import deployment_limit
from orchestrator.store import run_lists
from orchestrator.store import runs as store_runs
from orchestrator.store.run_lists import Filter
from orchestrator.store.runs import deployment_id_of
from queues.runs import NewRun
from queues.states import TERMINAL, State
from tests.support.deployments import Worker

QUEUES = ("default", "etl", "gpu")
FLOWS = ("load", "train")
DEPLOYMENTS = [(flow, name) for flow in FLOWS for name in ("hourly", "nightly")]
TAGS = ("", "ml", "ml\nslow")
HALF_HOUR_US = 1_800_000_000
STATES = (None, ("FAILED",), ("RUNNING",), ("COMPLETED", "CANCELLED"), ("SCHEDULED", "QUEUED"), ("QUEUED", "FAILED"))


@pytest.fixture
def stored(store):
    """Runs of several deployments, made and ended over two days, some on queues of other deployments."""
    chance, now_us = random.Random(4), store.scripts.now_us
    for queue in QUEUES[1:]:
        store.queues.create(queue)
    worker = Worker(store, queues=QUEUES)
    for _ in range(30):
        some = []
        for _ in range(chance.randint(1, 12)):
            flow, name = chance.choice(DEPLOYMENTS)
            group = deployment_limit(deployment_id(flow, name))
            tags = chance.choice(TAGS)
            fields = {"flow": flow, "deployment": name} | ({"tags": tags} if tags else {})
            queue, due_us = chance.choice(QUEUES), chance.choice([None, None, None, now_us() + 10 * HALF_HOUR_US])
            run_id = str(uuid.UUID(int=chance.getrandbits(128)))
            some.append(NewRun(id=run_id, queue=queue, actor="test", groups=(group,), fields=fields, due_us=due_us))
        store.records.create(some)
        some_ids = [run.id for run in some]
        store.records.transfer(chance.sample(some_ids, len(some) // 4), "gpu", actor="test")
        for claim in worker.claim(chance.randint(0, 6)):
            worker.claims.confirm(claim.run_id, claim.token, claim.claim_id)
            if chance.random() < 0.8:
                worker.finish(claim, chance.choice(["COMPLETED", "FAILED", "CRASHED"]))
        waiting = store.records.get_many([run_id for run_id in some_ids if chance.random() < 0.2])
        list(store.records.cancel_waiting([run.id for run in waiting], states=("QUEUED", "SCHEDULED"), actor="test"))
        store.travel(chance.randint(1, 4) * HALF_HOUR_US)
    return store


def left_by_a_version_before(store):
    """Put a third of the runs into the one index of their group, where versions before kept them."""
    for flow, name in DEPLOYMENTS:
        group = deployment_limit(deployment_id(flow, name))
        members = [part.decode() for part in store.scripts.redis.hkeys(store.keys.parts(group))]
        for key in [store.keys.group(group), *(store.keys.part(group, part) for part in members)]:
            for run_id, made in store.scripts.redis.zrange(key, 0, -1, withscores=True)[::3]:
                store.scripts.redis.zrem(key, run_id)
                store.scripts.redis.zadd(store.keys.group_before(group), {run_id: made})


def every_run(store):
    keys = [store.keys.state(state) for state in State]
    ids = [run_id.decode() for key in keys for run_id in store.scripts.redis.zrange(key, 0, -1)]
    runs = [run for run in store.records.get_many(ids) if run is not None]
    return sorted(runs, key=lambda run: (run.created_us, run.id), reverse=True)


def fits(run, which):
    own = deployment_id(run.fields["flow"], run.fields["deployment"])
    moment = run.ended_us if which.by_end else run.created_us
    return (
        (which.states is None or run.state in which.states)
        and which.deployment_id in (None, own)
        and which.queue in (None, run.queue)
        and which.flow in (None, run.fields["flow"])
        and (which.tag is None or which.tag in run.fields.get("tags", "").split("\n"))
        and moment is not None
        and moment >= which.since_us
        and (which.until_us is None or moment < which.until_us)
    )


def combinations(runs):
    """All filters of this page; the times are those of a third and of two thirds of the runs."""
    early, late = runs[2 * len(runs) // 3].created_us, runs[len(runs) // 3].created_us
    where = [{}, {"deployment_id": deployment_id(*DEPLOYMENTS[0])}]
    times = [{}, {"since_us": early}, {"until_us": late}, {"since_us": early, "until_us": late}]
    for states, place, queue, flow, tag, time in itertools.product(
        STATES, where, (None, "etl"), (None, "train"), (None, "slow"), times
    ):
        which = {"states": states, **place, "queue": queue, "flow": flow, "tag": tag, **time}
        yield Filter(**which)
        if states and set(states) <= TERMINAL:
            yield Filter(**which, by_end=True)
        if not place and (queue or flow or tag):
            can_be = {deployment_id_of(run) for run in runs if fits(run, Filter(queue=queue, flow=flow, tag=tag))}
            yield Filter(**which, among=tuple(can_be))


@pytest.mark.parametrize("before", [False, True], ids=["all by this version", "some by a version before"])
@pytest.mark.parametrize(("sets", "budget", "few"), [(200, 2_000, 2_000), (2, 7, 0)], ids=["few calls", "many calls"])
def test_every_filter_lists_what_a_look_at_all_records_finds(stored, monkeypatch, before, sets, budget, few):
    monkeypatch.setattr(run_lists, "SETS_PER_CALL", sets)
    monkeypatch.setattr(run_lists, "FEW_LIVE", few)
    monkeypatch.setattr(store_runs, "EXAMINED_PER_CALL", budget)
    if before:
        left_by_a_version_before(stored)
    runs = every_run(stored)
    assert len({run.state for run in runs}) >= 6
    filters = list(combinations(runs))
    for which in filters if budget > 100 else filters[::3]:
        expected = [run.id for run in runs if fits(run, which)]
        assert [one for piece in stored.runs.ids(which) for one in piece] == expected, which


def test_pages_of_any_size_go_on_where_the_last_one_ended(stored, monkeypatch):
    monkeypatch.setattr(run_lists, "SETS_PER_CALL", 3)
    runs = every_run(stored)
    for which in list(combinations(runs))[::37]:
        expected, seen, after = [run.id for run in runs if fits(run, which)], [], None
        while page := stored.runs.page(4, Filter(**{**vars(which), "after": after})):
            seen += [run.id for run in page]
            after = seen[-1]
        assert seen == expected, which


def test_runs_of_hours_that_were_over_are_not_looked_at(store, monkeypatch):
    def ended(count):
        made = [NewRun(id=str(uuid.uuid4()), queue="default", actor="test") for _ in range(count)]
        store.records.create(made)
        list(store.records.cancel_waiting([run.id for run in made], states=("QUEUED",), actor="test"))
        return {run.id for run in made}

    for _ in range(6):
        ended(20)
        store.travel(4 * HALF_HOUR_US)
    since, newest = store.scripts.now_us(), ended(3)
    asked, call = [], store.own_scripts.call
    monkeypatch.setattr(store.own_scripts, "call", lambda verb, **told: asked.append(verb) or call(verb, **told))
    monkeypatch.setattr(store_runs, "EXAMINED_PER_CALL", 20)
    found = store.runs.page(50, Filter(states=("CANCELLED",), since_us=since, by_end=True))
    assert {run.id for run in found} == newest
    assert asked == ["page_runs"]
