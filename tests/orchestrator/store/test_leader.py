"""Who leads among the schedulers, for those who look."""

import os
import socket

from orchestrator.scheduler.leadership import Leadership
from orchestrator.store.leader import read_leader


def leader(store):
    return read_leader(store.scripts, store.keys, store.scripts.now_us())


def test_the_leader_is_known_by_process_host_and_since_when(store):
    assert leader(store).leads is False and leader(store).beat_us is None
    first = Leadership(store)
    first.beat()
    taken = store.scripts.now_us()
    store.travel(3_000_000)
    first.beat()
    found = leader(store)
    assert (found.leads, found.pid, found.host) == (True, os.getpid(), socket.gethostname())
    assert abs(found.since_us - taken) < 1_000_000 and found.beat_us > found.since_us


def test_the_last_leader_stays_known_after_it_has_gone(store):
    first = Leadership(store)
    first.beat()
    first.resign(store)
    found = leader(store)
    assert (found.leads, found.pid) == (False, os.getpid())


def test_a_leader_of_a_version_that_notes_nothing_is_not_taken_for_the_one_before(store, redis):
    Leadership(store).beat()
    redis.hset(store.keys.leader, mapping={"owner": "older", "epoch": 2})
    found = leader(store)
    assert (found.leads, found.pid, found.host, found.since_us) == (True, None, None, None)
