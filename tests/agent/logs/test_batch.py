"""Numbering lines and cutting them into batches."""

from agent.logs.batch import BATCH_BYTES, PAUSE_SECONDS, AttemptLog
from orchestrator.store.run_logs import LOG, LogRecord
from orchestrator.store.tasks import TaskRecord


def a_log(*texts: str) -> AttemptLog:
    log = AttemptLog(run_id="r1", token=7, attempt=2)
    for text in texts:
        log.add([LogRecord(0, LOG, 20, text)])
    return log


def a_task(state: str) -> TaskRecord:
    return TaskRecord(id="t1", name="task", attempt=2, state=state)


def test_the_first_line_goes_at_once_and_those_that_follow_go_together() -> None:
    log = a_log("one")
    first = log.next_batch(0.0)
    assert first is not None and (first.first, first.token, first.attempt) == (1, 7, 2)
    log.add([LogRecord(0, LOG, 20, "two")])
    log.add([LogRecord(0, LOG, 20, "three")])
    second = log.next_batch(1.0)
    assert second is not None and (second.first, len(second.records)) == (2, 2)


def test_batches_keep_a_distance_unless_there_is_hurry() -> None:
    log = a_log("one")
    log.next_batch(0.0)
    log.add([LogRecord(0, LOG, 20, "two")])
    assert log.next_batch(PAUSE_SECONDS / 2) is None
    assert log.next_batch(PAUSE_SECONDS / 2, hurry=True) is not None


def test_what_fills_a_batch_waits_for_nothing() -> None:
    log = a_log("one")
    log.next_batch(0.0)
    log.add([LogRecord(0, LOG, 20, "x" * BATCH_BYTES)])
    assert log.next_batch(PAUSE_SECONDS / 2) is not None


def test_a_batch_is_bounded_and_what_is_handed_out_was_counted_before() -> None:
    log = AttemptLog(run_id="r1", token=7, attempt=1)
    counted = sum(log.add([LogRecord(0, LOG, 20, "x" * 10_000)]) for _ in range(100))
    sizes, lines = [], 0
    while (batch := log.next_batch(0.0, hurry=True)) is not None:
        assert batch.first == lines + 1 and batch.size < BATCH_BYTES + 20_000
        lines += len(batch.records)
        sizes.append(batch.size)
    assert sum(sizes) == counted and lines == log.last_number == 100 and log.is_handed_out


def test_a_log_is_shipped_when_as_many_batches_are_done_as_were_handed_out() -> None:
    log = a_log("one")
    log.next_batch(0.0)
    assert not log.is_shipped
    log.done = 1
    assert log.is_shipped


def test_only_the_newest_state_of_a_task_is_shipped() -> None:
    log = a_log()
    for state in ("PENDING", "RUNNING", "COMPLETED"):
        log.note_task(a_task(state))
    batch = log.next_batch(0.0)
    assert batch is not None and [task.state for task in batch.tasks] == ["COMPLETED"]


def test_a_log_that_nobody_wants_any_more_is_dropped() -> None:
    log = a_log("one", "two")
    assert log.discard() > 0 and log.is_shipped
