"""Lines between being read and being in Redis: bounded, told when shipped."""

from agent.logs.backlog import Progress
from agent.logs.batch import Batch
from agent.logs.outbox import FULL_BYTES, Outbox
from agent.logs.spooling import Ended
from agent.loop import Loop
from orchestrator.store.run_logs import LOG, LogRecord
from tests.support.waiting import wait_until


class Post:
    """An outbox and everything it said."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.put: list[Batch | Ended] = []
        self.shipped: list[str] = []
        self.full: list[bool] = []
        self.outbox = Outbox(self.loop, put=self.put.append, on_shipped=self.shipped.append, on_full=self.full.append)
        self.log = self.outbox.open("r1", 1, 1)

    @property
    def batches(self) -> list[Batch]:
        """What was handed out."""
        return [item for item in self.put if isinstance(item, Batch)]

    def deliver(self, count: int, *, wanted: bool = True) -> None:
        """So many batches are in Redis, all there were when it is as many."""
        freed = sum(batch.size for batch in self.batches[:count])
        done = count if count == len(self.batches) else 0
        self.outbox.hear(Progress("r1", 1, freed=freed, done=done, wanted=wanted))


def lines(*texts: str) -> list[LogRecord]:
    return [LogRecord(0, LOG, 20, text) for text in texts]


def test_everything_is_handed_out_once_and_in_order() -> None:
    post = Post()
    post.outbox.add(post.log, lines("one"))
    post.outbox.add(post.log, lines("two", "three"))
    wait_until(lambda: post.loop.run_once() or len(post.batches) == 2)
    assert [record.text for batch in post.batches for record in batch.records] == ["one", "two", "three"]


def test_it_says_when_the_last_line_of_a_run_in_a_hurry_is_shipped() -> None:
    post = Post()
    post.outbox.add(post.log, lines("one"))
    post.outbox.add(post.log, lines("two"))
    post.outbox.hurry(post.log)
    assert len(post.batches) == 2 and post.shipped == []
    post.deliver(2)
    assert post.shipped == ["r1"]


def test_a_run_without_lines_is_shipped_at_once_and_nothing_has_to_be_ended() -> None:
    post = Post()
    post.outbox.hurry(post.log)
    post.outbox.close(post.log)
    assert post.shipped == ["r1"] and post.put == []


def test_it_is_full_at_eight_mebibytes_in_memory_and_has_room_again_at_half() -> None:
    post = Post()
    while not post.full:
        post.outbox.add(post.log, lines("x" * 100_000))
    assert sum(batch.size for batch in post.batches) + post.log.size > FULL_BYTES
    post.deliver(len(post.batches) // 3)
    assert post.full == [True]
    post.deliver(len(post.batches) // 3)
    assert post.full == [True, False]


def test_lines_that_are_on_the_disk_only_take_no_room_and_are_not_shipped() -> None:
    post = Post()
    post.outbox.add(post.log, lines("x" * 100_000))
    post.outbox.hurry(post.log)
    post.outbox.hear(Progress("r1", 1, freed=post.batches[0].size))
    assert post.shipped == []
    post.outbox.hear(Progress("r1", 1, done=1))
    assert post.shipped == ["r1"]


def test_what_redis_does_not_want_any_more_is_dropped() -> None:
    post = Post()
    post.outbox.add(post.log, lines("one"))
    post.outbox.add(post.log, lines("two"))
    post.deliver(1, wanted=False)
    assert post.log.is_shipped and len(post.batches) == 1


def test_a_closed_log_is_ended_when_its_last_line_is_shipped() -> None:
    post = Post()
    post.outbox.add(post.log, lines("one"))
    post.outbox.close(post.log)
    assert Ended("r1", 1) not in post.put
    post.deliver(1)
    assert post.put[-1] == Ended("r1", 1) and post.outbox.is_empty
