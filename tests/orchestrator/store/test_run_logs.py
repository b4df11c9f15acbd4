"""Log lines in Redis: once each, in order, attempts apart, within bounds."""

import uuid

import pytest

from orchestrator.store import LogRecord, run_logs
from orchestrator.store.run_logs import Position
from queues.runs import NewRun

KEPT = f"h:/{'long/' * 40}kept"
"""Longer than one field of a record may be: paths are."""


def record(text):
    return LogRecord(1_000_000, 0, 20, text)


def batch(first, count, size=0):
    return [record(f"line {number}".ljust(size, ".")) for number in range(first, first + count)]


def texts(store, run, after=None):
    return [line.record.text for line in store.logs.read(run, after)]


@pytest.fixture
def run(store):
    run_id = str(uuid.uuid4())
    store.records.create([NewRun(id=run_id, queue="default", actor="test")])
    return run_id


def test_a_batch_that_is_sent_again_is_stored_once(store, run):
    assert store.logs.append(run, 1, 1, 1, batch(1, 3)) == "stored"
    assert store.logs.append(run, 1, 1, 1, batch(1, 3)) == "known"
    assert texts(store, run) == ["line 1", "line 2", "line 3"]


def test_a_batch_cut_differently_when_sent_again_adds_only_what_is_new(store, run):
    store.logs.append(run, 1, 1, 1, batch(1, 3))
    store.logs.append(run, 1, 1, 1, batch(1, 5))
    assert texts(store, run) == [f"line {number}" for number in range(1, 6)]


def test_attempts_follow_each_other_and_late_lines_of_the_first_go_before_the_second(store, run):
    store.logs.append(run, 1, 1, 1, batch(1, 2))
    store.logs.append(run, 2, 2, 1, [record("second")])
    assert store.logs.append(run, 1, 1, 3, batch(3, 2)) == "stored"
    assert store.logs.append(run, 1, 1, 3, batch(3, 2)) == "known"
    store.logs.append(run, 2, 2, 2, [record("more")])
    assert texts(store, run) == ["line 1", "line 2", "line 3", "line 4", "second", "more"]


def test_reading_goes_on_after_a_position(store, run):
    for first in (1, 11, 21):
        store.logs.append(run, 1, 1, first, batch(first, 10))
    assert texts(store, run, Position(attempt=1, sequence=25)) == [f"line {number}" for number in range(26, 31)]
    assert texts(store, run, Position(attempt=1, sequence=30)) == []


def test_reading_in_pages_gives_every_line_once(store, run):
    for first in range(1, 2001, 100):
        store.logs.append(run, 1, 1, first, batch(first, 100))
    at, seen = None, []
    while lines := store.logs.read(run, at, limit=150):
        seen += [line.at.sequence for line in lines]
        at = lines[-1].at
    assert seen == list(range(1, 2001))


def test_a_full_log_keeps_its_head_and_its_end_and_marks_the_gap(store, run, monkeypatch):
    monkeypatch.setattr(run_logs, "HEAD_PER_RUN", 10_000)
    monkeypatch.setattr(run_logs, "MOST_PER_RUN", 40_000)
    for first in range(1, 1001, 10):
        store.logs.append(run, 1, 1, first, batch(first, 10, size=100))
    lines = store.logs.read(run, limit=5000)
    gaps = [line for line in lines if line.missing]
    assert lines[0].at.sequence == 1
    assert lines[-1].at.sequence == 1000
    assert len(gaps) == 1
    assert len(lines) + gaps[0].missing == 1000
    assert store.logs.size(run) <= 40_000
    assert store.scripts.redis.xlen(store.keys.logs(run)) == len(lines) // 10


def fill(store, run, token, attempt, count):
    for first in range(1, count + 1, 10):
        store.logs.append(run, token, attempt, first, batch(first, 10, size=100), KEPT)


def counted(store, run):
    """Per attempt the numbers that are there, and how many lines are said to be missing."""
    lines = store.logs.read(run, limit=100_000)
    assert lines == sorted(lines, key=lambda line: line.at)
    return [(line.at.attempt, line.at.sequence) for line in lines], sum(line.missing for line in lines)


def test_the_end_of_an_attempt_that_went_is_counted_as_missing(store, run, monkeypatch):
    monkeypatch.setattr(run_logs, "HEAD_PER_RUN", 10_000)
    monkeypatch.setattr(run_logs, "MOST_PER_RUN", 40_000)
    for attempt in (1, 2, 3):
        fill(store, run, attempt, attempt, 400)
    numbers, missing = counted(store, run)
    assert numbers[0] == (1, 1) and numbers[-1] == (3, 400)
    assert len(numbers) + missing == 1200 and len(set(numbers)) == len(numbers)


def test_late_lines_never_make_a_log_larger_than_it_may_be(store, run, monkeypatch):
    monkeypatch.setattr(run_logs, "HEAD_PER_RUN", 10_000)
    monkeypatch.setattr(run_logs, "MOST_PER_RUN", 40_000)
    store.logs.append(run, 1, 1, 1, batch(1, 10, size=100))
    fill(store, run, 2, 2, 200)
    answers = {store.logs.append(run, 1, 1, first, batch(first, 10, size=100)) for first in range(11, 1001, 10)}
    assert answers == {"stored", "cut"} and store.logs.size(run) <= 40_000
    numbers, missing = counted(store, run)
    assert len(numbers) + missing == 1200 and numbers[-1] == (2, 200)
    again = {store.logs.append(run, 1, 1, first, batch(first, 10, size=100)) for first in range(11, 1001, 10)}
    assert again == {"known", "cut"} and counted(store, run) == (numbers, missing)
    assert store.logs.total() == store.logs.size(run)


def test_the_record_says_where_the_lines_are_that_were_cut(store, run, monkeypatch):
    monkeypatch.setattr(run_logs, "MOST_PER_RUN", 40_000)
    monkeypatch.setattr(run_logs, "HEAD_PER_RUN", 10_000)
    fill(store, run, 1, 1, 100)
    assert "log_rest" not in store.records.get(run).fields
    fill(store, run, 1, 1, 1000)
    assert store.records.get(run).fields["log_rest"] == KEPT and store.records.get(run).problem == ""


def test_the_last_line_of_an_attempt_is_known(store, run):
    store.logs.append(run, 1, 1, 1, batch(1, 7))
    store.logs.append(run, 2, 2, 1, batch(1, 3))
    assert [store.logs.last_line(run, attempt) for attempt in (1, 2, 3)] == [7, 3, 0]


def test_all_logs_together_are_bounded_and_the_silent_ones_go_first(store, monkeypatch):
    monkeypatch.setattr(run_logs, "MOST_IN_TOTAL", 50_000)
    runs = [str(uuid.uuid4()) for _ in range(10)]
    store.records.create([NewRun(id=run, queue="default", actor="test") for run in runs])
    for run in runs:
        store.logs.append(run, 1, 1, 1, batch(1, 100, size=90))
    assert store.logs.total() <= 50_000
    assert texts(store, runs[0]) == []
    assert store.records.get(runs[0]).fields["log_dropped"] == "space"
    assert len(texts(store, runs[-1])) == 100


def test_the_total_is_the_sum_of_what_is_there(store, run):
    store.logs.append(run, 1, 1, 1, batch(1, 3))
    store.logs.append(run, 1, 1, 1, batch(1, 3))
    assert store.logs.total() == store.logs.size(run) > 0
    store.logs.drop([run], "age")
    assert store.logs.total() == 0
    assert not store.scripts.redis.exists(store.keys.log_sizes, store.keys.log_ages, store.keys.logs(run))


def test_lines_of_a_forgotten_run_are_refused(store):
    assert store.logs.append(str(uuid.uuid4()), 1, 1, 1, batch(1, 1)) == "gone"


def test_two_claims_of_one_attempt_never_mix(store, run):
    """After Redis lost its last second, an attempt number may be given out again."""
    store.scripts.redis.hset(store.keys.run(run), mapping={"state": "RUNNING", "attempt": 1, "token": 7})
    assert store.logs.append(run, 7, 1, 1, batch(1, 1)) == "stored"
    assert store.logs.append(run, 5, 1, 2, batch(2, 1)) == "lost"


def test_a_batch_too_large_for_one_entry_is_cut(store, run):
    big = [LogRecord(1, 1, 20, "x" * 400_000) for _ in range(5)]
    assert store.logs.append(run, 1, 1, 1, big) == "stored"
    assert [line.at.sequence for line in store.logs.read(run)] == [1, 2, 3, 4, 5]


def test_text_that_is_no_unicode_is_kept_readable(store, run):
    store.logs.append(run, 1, 1, 1, [record("broken \udcff end")])
    assert texts(store, run)[0].startswith("broken ")
