"""What we take from rq: its prefix, its worker fields, two of its commands, and never a name to call."""

import json
import os
import subprocess
import sys

import pytest

from queues.identity import ProcessIdentity
from queues.keys import Keys
from queues.rq_bridge import LARGEST_COMMAND, Cancel, Drain, RqBridge, parse_command

SEND = """
import sys
from redis import Redis
from rq.command import send_shutdown_command, send_stop_job_command
client = Redis.from_url(sys.argv[1])
send_shutdown_command(client, "a1")
send_stop_job_command(client, "r1")
"""
LAYOUT = """
from rq import Queue, Worker
from rq.job import Job
from rq.command import PUBSUB_CHANNEL_TEMPLATE
from rq.registry import FailedJobRegistry, StartedJobRegistry
key = lambda kind: kind.key_template.format("q")
print(Queue.redis_queue_namespace_prefix + "q", Queue.redis_queues_keys, Job.redis_job_namespace_prefix + "r",
      Worker.redis_worker_namespace_prefix + "a", PUBSUB_CHANNEL_TEMPLATE % "a",
      key(FailedJobRegistry), key(StartedJobRegistry))
"""


def with_rq(program: str, *words: str) -> str:
    """Run a program in a process where rq has our prefix."""
    environ = {**os.environ, "RQ_KEY_PREFIX": Keys().rq}
    return subprocess.run(
        [sys.executable, "-c", program, *words], env=environ, capture_output=True, text=True, check=True
    ).stdout


def test_our_keys_are_where_rq_looks_for_them():
    keys = Keys()
    assert with_rq(LAYOUT).split() == [
        *(keys.rq_queue("q"), keys.rq_queues, keys.rq_job("r"), f"{keys.rq}:worker:a", keys.rq_commands("a")),
        *(f"{keys.rq}:failed:q", f"{keys.rq}:wip:q"),
    ]


def test_rqs_commands_are_understood(floor, redis_url):
    floor.start("r1")
    listener = floor.redis.pubsub(ignore_subscribe_messages=True)
    listener.subscribe(RqBridge().command_channel("a1"))
    listener.get_message(timeout=5)
    with_rq(SEND, redis_url)
    heard = [listener.get_message(timeout=5)["data"] for _ in range(2)]
    assert [parse_command(payload) for payload in heard] == [Drain(), Cancel("r1")]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"shutdown",
        b"\xff\xfe",
        b"[]",
        b'"shutdown"',
        b"{}",
        b'{"command": "kill-horse"}',
        b'{"command": "stop-job"}',
        b'{"command": "stop-job", "job_id": 7}',
        b'{"command": ["shutdown"]}',
        b"[" * 50_000,
        json.dumps({"command": "shutdown", "pad": "x" * LARGEST_COMMAND}).encode(),
    ],
)
def test_anything_else_on_the_channel_is_ignored(payload):
    assert parse_command(payload) is None


def test_importing_rq_leaves_the_environment_as_it_was(monkeypatch):
    monkeypatch.setenv("RQ_KEY_PREFIX", "of-the-user")
    worker = RqBridge().worker(ProcessIdentity.here())
    assert os.environ["RQ_KEY_PREFIX"] == "of-the-user"
    assert (worker["pid"], worker["version"].split(".")[0]) == (str(os.getpid()), "3")
