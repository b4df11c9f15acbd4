"""Lines between being read and being in Redis: bounded, told when shipped."""

from agent.logs.batch import Batch
from agent.logs.outbox import FULL_BYTES, Outbox
from agent.loop import Loop
from orchestrator.store.run_logs import LOG, LogRecord


class Post:
    """An outbox and everything it said."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.batches: list[Batch] = []
        self.shipped: list[str] = []
        self.full: list[bool] = []
        self.outbox = Outbox(
            self.loop, put=self.batches.append, on_shipped=self.shipped.append, on_full=self.full.append
        )

    def deliver(self, *, wanted: bool = True) -> None:
        """Redis answers the oldest batch."""
        batch = self.batches.pop(0)
        self.outbox.shipped(batch.run_id, batch.attempt, wanted=wanted)


def lines(*texts: str) -> list[LogRecord]:
    return [LogRecord(0, LOG, 20, text) for text in texts]


def test_everything_is_shipped_once_and_in_order() -> None:
    post = Post()
    log = post.outbox.open("r1", 1, 1)
    post.outbox.add(log, lines("one"))
    post.outbox.add(log, lines("two", "three"))
    sent = [record.text for record in post.batches[0].records]
    post.deliver()
    post.loop.run_once()
    sent += [record.text for record in post.batches[0].records]
    assert sent == ["one", "two", "three"]


def test_it_says_when_the_last_line_of_a_run_in_a_hurry_is_shipped() -> None:
    post = Post()
    log = post.outbox.open("r1", 1, 1)
    post.outbox.add(log, lines("one"))
    post.outbox.add(log, lines("two"))
    post.outbox.hurry(log)
    post.deliver()
    assert post.shipped == []
    post.deliver()
    assert post.shipped == ["r1"]


def test_a_run_without_lines_is_shipped_at_once() -> None:
    post = Post()
    post.outbox.hurry(post.outbox.open("r1", 1, 1))
    assert post.shipped == ["r1"]


def test_it_is_full_at_eight_mebibytes_and_has_room_again_at_half() -> None:
    post = Post()
    log = post.outbox.open("r1", 1, 1)
    while not post.full:
        post.outbox.add(log, lines("x" * 100_000))
    while len(post.full) == 1:
        post.deliver()
        post.loop.run_once() if not post.batches else None
    assert post.full == [True, False]
    assert sum(len(record.text) for record in log.waiting) <= FULL_BYTES // 2


def test_what_redis_does_not_want_any_more_is_dropped() -> None:
    post = Post()
    log = post.outbox.open("r1", 1, 1)
    post.outbox.add(log, lines("one"))
    post.outbox.add(log, lines("two"))
    post.deliver(wanted=False)
    assert log.is_shipped and not post.batches


def test_a_closed_log_is_kept_until_its_last_line_is_shipped() -> None:
    post = Post()
    log = post.outbox.open("r1", 1, 1)
    post.outbox.add(log, lines("one"))
    post.outbox.add(log, lines("two"))
    post.outbox.close(log)
    post.deliver()
    assert [record.text for record in post.batches[0].records] == ["two"]
    post.deliver()
    assert post.outbox.is_empty
