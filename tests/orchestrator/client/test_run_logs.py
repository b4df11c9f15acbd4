"""Reading the logs of runs: which lines are wanted, and the end of a log."""

from datetime import UTC, datetime

import pytest

from orchestrator.errors import Invalid
from orchestrator.store import LogRecord
from tests.support.deployments import Worker, spec


@pytest.fixture
def run(client, store):
    """A run with a line per level and task, a printed one, and a gap."""
    client.create_from_spec(spec())
    made = client.run_deployment("nightly")
    claim = Worker(store, "ant").start()
    levels = [10, 20, 30, 40, 50]
    records = [LogRecord(second * 1_000_000, 0, level, f"line {level}") for second, level in enumerate(levels, 1)]
    records += [LogRecord(6_000_000, 1, 20, "printed"), LogRecord(7_000_000, 0, 20, "of a task", "own", "score-12")]
    store.logs.append(made.id, claim.token, 1, 1, records)
    store.logs.append(made.id, claim.token, 1, 100, [LogRecord(8_000_000, 0, 40, "of another", "own", "scores-1")])
    return made.id


def messages(lines):
    return [line.message for line in lines if line.source != "gap"]


def test_lines_are_chosen_by_level_task_and_time_and_gaps_are_told_all_the_same(client, run):
    lines = client.read_logs(run, level="error")
    assert messages(lines) == ["line 40", "line 50", "of another"] and [line.source for line in lines].count("gap") == 1
    assert messages(client.read_logs(run, level=30, task="scores")) == ["of another"]
    assert messages(client.read_logs(run, task="score")) == messages(client.read_logs(run, task="score-12"))
    assert messages(client.read_logs(run, since=datetime.fromtimestamp(6, UTC))) == [
        "printed",
        "of a task",
        "of another",
    ]
    assert messages(client.read_logs(run, task="sc")) == []
    with pytest.raises(Invalid, match="DEBUG"):
        client.read_logs(run, level="LOUD")


def test_the_end_of_a_log_is_its_last_wanted_lines(client, run):
    assert messages(client.tail_logs(run, 3)) == ["of a task", "of another"]
    assert messages(client.tail_logs(run, 1, level="warning")) == ["of another"]
    assert messages(client.tail_logs(run, 100)) == messages(client.read_logs(run))


def test_pages_of_wanted_lines_follow_each_other(client, run):
    seen, after = [], None
    while page := client.read_logs(run, after=after, limit=2, level="info"):
        seen += page
        after = page[-1].position
    assert seen == client.read_logs(run, level="info") and len(seen) == 8
