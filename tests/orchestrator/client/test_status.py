"""`status` puts on one page what is looked at first when something is wrong."""

import os

import pytest

from orchestrator.scheduler.leadership import Leadership
from tests.support.deployments import Worker, spec


@pytest.fixture
def deployed(client):
    client.create_from_spec(spec())
    return client


def problems(client):
    return [problem.code for problem in client.status().problems]


def test_an_empty_installation_misses_only_a_scheduler(client):
    page = client.status()
    assert [problem.code for problem in page.problems] == ["no-scheduler"]
    assert (page.scheduled, page.queued, page.late, page.running) == (0, 0, 0, 0)
    assert [(queue.name, queue.state) for queue in page.work_queues] == [("default", "no agent")]


def test_the_scheduler_that_leads_is_named(deployed, store):
    Leadership(store).beat()
    scheduler = deployed.status().scheduler
    assert (scheduler.leads, scheduler.pid) == (True, os.getpid())
    assert problems(deployed) == []


def test_queues_show_their_slots_and_the_longest_wait_and_late_runs_say_why(deployed, store):
    deployed.set_concurrency_limit("default", 1)
    worker = Worker(store, "ant")
    runs = [deployed.run_deployment("nightly") for _ in range(3)]
    worker.start()
    store.travel(20_000_000)
    page = deployed.status()
    (queue,) = page.work_queues
    assert (queue.state, queue.running, queue.concurrency_limit, queue.queued, queue.late) == ("full", 1, 1, 2, 2)
    assert 20 <= queue.oldest_wait_seconds < 30
    assert [(run.id, run.why) for run in page.late_runs] == [
        (runs[1].id, "work queue default is full (1/1)"),
        (runs[2].id, "work queue default is full (1/1), 1 run before it"),
    ]
    assert (page.queued, page.late, page.running) == (2, 2, 1)


def test_waiting_runs_that_nobody_can_take_are_a_problem_with_a_command(deployed):
    deployed.create_work_queue("ml")
    deployed.create_from_spec(spec(name="other", work_queue="ml"))
    deployed.run_deployment("nightly"), deployed.run_deployment("other")
    deployed.pause_work_queue("ml")
    told = {problem.code: problem for problem in deployed.status().problems}
    assert told["no-agent"].command == "headgate agent start -q default"
    assert told["no-agent"].text.startswith("1 run waits on default, the longest for 0.")
    assert told["queue-paused"].command == "headgate work-queue resume ml"


def test_agents_that_fell_silent_or_have_a_full_disk_and_a_returned_redis_are_problems(deployed, store, redis):
    Leadership(store).beat()
    Worker(store, "ant"), Worker(store, "bee")
    now_us = store.scripts.now_us()
    redis.hset(store.keys.agent("ant"), "seen", now_us - 15_000_000)
    redis.hset(store.keys.agent("bee"), "state", "spool full")
    redis.hset(store.keys.recovery, mapping={"no_expiry_before": now_us + 9_000_000, "reason": "Redis was restarted"})
    page = deployed.status()
    assert [problem.code for problem in page.problems] == ["recovery", "agent-silent", "spool-full"]
    assert page.problems[0].text.endswith(": Redis was restarted")
    assert [round(agent.heartbeat_age_seconds) for agent in page.agents] == [15, 0]


def test_the_last_failures_come_newest_end_first_with_one_line_each(deployed, store):
    worker = Worker(store, "ant")
    runs = [deployed.run_deployment("nightly") for _ in range(3)]
    first, second, third = worker.start(), worker.start(), worker.start()
    worker.finish(third, state="FAILED", reason="ValueError: x\n  and more")
    worker.finish(first, state="CRASHED", reason="killed by signal 9")
    worker.finish(second)
    failures = deployed.status().last_failures
    assert [(run.id, run.error) for run in failures] == [
        (runs[0].id, "killed by signal 9"),
        (runs[2].id, "ValueError: x"),
    ]


def test_the_page_only_reads(deployed, store, redis):
    deployed.run_deployment("nightly")
    before = {key: redis.dump(key) for key in redis.scan_iter()}
    deployed.status()
    assert {key: redis.dump(key) for key in redis.scan_iter()} == before
