"""A fleet of agents: labels, queues by prefix, probes, and a new agent beside one that drains."""

from __future__ import annotations

import signal
import socket
import urllib.error
import urllib.request

import pytest

from queues.states import State
from tests.lifecycle.test_ending_agents import WAITS
from tests.lifecycle.worksite import Site
from tests.support.waiting import wait_until

WHERE = """
from orchestrator import flow
@flow
def main():
    note(os.environ["HEADGATE_RUN_ID"], os.getppid())
"""


def probe(port: int, path: str) -> int:
    """The status code of a probe; 0 when nothing listens."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code
    except OSError:
        return 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_runs_that_require_a_label_run_where_it_is_at_once_and_others_anywhere(site: Site) -> None:
    site.deploy(WHERE, requires=["gpu"])
    site.agent("plain")
    gpu = site.supervisor(site.agent("gpu", labels=("region=eu", "gpu")))
    runs = site.submit(3)
    for run_id in runs:
        assert site.until(run_id, State.COMPLETED).agent == "gpu"
        assert site.notes(run_id) == [str(gpu)]
    assert site.store.presence.get("gpu").labels == ("gpu", "region=eu")


@pytest.mark.slow
def test_an_agent_of_a_prefix_takes_runs_of_queues_made_after_it_started(site: Site) -> None:
    site.agent("a1", queues=(), queue_prefixes=("ml-",))
    assert site.store.presence.get("a1").queues == ()
    site.store.queues.create("ml-new", on_disconnect="keep")
    site.store.queues.create("other")
    site.deploy(WHERE, queue="ml-new")
    (run_id,) = site.submit()
    site.until(run_id, State.COMPLETED)
    wait_until(lambda: site.store.presence.get("a1").queues == ("ml-new",), 5.0, message=site.log_of_agents)


@pytest.mark.slow
def test_a_new_agent_takes_work_while_the_one_before_drains_a_long_run(site: Site) -> None:
    site.deploy(WAITS)
    old = site.agent("before", health_port=(port := free_port()))
    (long_run,) = site.submit()
    site.until_noted("started")
    assert (probe(port, "/health"), probe(port, "/ready")) == (200, 200)
    site.agent("after")
    old.send_signal(signal.SIGTERM)
    wait_until(lambda: probe(port, "/ready") == 503, 3.0, message=site.log_of_agents)
    assert probe(port, "/health") == 200, "it drains, and is well"
    (next_run,) = site.submit()
    assert site.until(next_run, State.RUNNING).agent == "after"
    assert site.run(long_run).state == State.RUNNING
    (site.folder / "go").touch()
    assert old.wait(10) == 0 and probe(port, "/health") == 0
    ended = [site.until(run_id, State.COMPLETED) for run_id in (long_run, next_run)]
    assert [(run.agent, run.attempt, run.lost) for run in ended] == [("before", 1, 0), ("after", 1, 0)]


@pytest.mark.slow
def test_a_port_for_probes_that_is_taken_ends_the_start_with_a_sentence(site: Site) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        keeper = site.start_agent(health_port=port)
        assert keeper.wait(15) == 2
    assert f"127.0.0.1:{port} for probes" in site.log_of_agents() and site.instance("a1") is None
