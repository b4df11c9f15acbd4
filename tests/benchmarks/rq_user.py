"""A program that uses stock rq: enqueues jobs, and says as JSON what it measured. A process of its own.

python -m tests.benchmarks.rq_user URL QUEUE rate COUNT
python -m tests.benchmarks.rq_user URL QUEUE latency COUNT PIPE
"""

import json
import sys
import time
from pathlib import Path

import redis
from rq import Queue, Worker
from rq.job import Job

from tests.benchmarks import rq_jobs
from tests.support.waiting import wait_until


def main(url: str, queue: str, what: str, count: str, *more: str) -> None:
    """Measure and print."""
    jobs = Queue(queue, connection=redis.Redis.from_url(url))
    print(json.dumps(rate(jobs, int(count)) if what == "rate" else latencies(jobs, int(count), Path(more[0]))))


def rate(queue: Queue, count: int) -> float:
    """Jobs that do nothing per second, all enqueued at once: from the first start to the last end, as rq notes them."""
    made = queue.enqueue_many([Queue.prepare_data(rq_jobs.noop) for _ in range(count)])
    wait_until(lambda: not len(queue) and finished(made[-8:]), within=120, every=0.05)
    jobs = [job for job in Job.fetch_many([job.id for job in made], connection=queue.connection) if job]
    wait_until(lambda: finished(made), within=30)
    for job in jobs:
        job.refresh()
    began = min(job.started_at.timestamp() for job in jobs if job.started_at)
    ended = max(job.ended_at.timestamp() for job in jobs if job.ended_at)
    return count / (ended - began)


def latencies(queue: Queue, count: int, pipe: Path) -> list[float]:
    """Milliseconds from the acknowledged enqueue to the first line of the job, on a worker that waits."""
    found = []
    for _ in range(count):
        job = queue.enqueue(rq_jobs.stamp, str(pipe))
        acknowledged = time.monotonic_ns()
        found.append((int(pipe.read_text()) - acknowledged) / 1_000_000)
        wait_until(lambda job=job: finished([job]), within=10)
        wait_until(lambda: workers_wait(queue), within=10)
    return found


def finished(jobs: list[Job]) -> bool:
    """Whether all have ended well."""
    states = [job.get_status() for job in jobs]
    assert "failed" not in states, "a job of rq failed"
    return all(state == "finished" for state in states)


def workers_wait(queue: Queue) -> bool:
    """Whether every worker of the queue is idle."""
    return all(worker.get_state() == "idle" for worker in Worker.all(queue=queue))


if __name__ == "__main__":
    main(*sys.argv[1:])
