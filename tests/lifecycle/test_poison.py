"""A flow that kills its agent, beside innocent ones: they complete, it ends CRASHED and is called Poison."""

import pytest

from queues.records import Run
from queues.states import TERMINAL, State
from tests.lifecycle.worksite import Site
from tests.support.waiting import wait_until

FLOWS = """
from orchestrator import flow
@flow
def poison():
    note("poisoned", os.getppid())
    os.kill(os.getppid(), 9)
    time.sleep(600)
@flow
def good(seconds):
    note("good", os.environ["HEADGATE_RUN_ID"])
    time.sleep(seconds)
"""


def until_all_ended(site: Site, runs: list[str], within: float) -> list[Run]:
    """The records, once every run has ended; leases end meanwhile as the scheduler would end them."""

    def ended() -> bool:
        site.expire()
        return all(site.run(run).state in TERMINAL for run in runs)

    wait_until(ended, within, every=0.1, message=lambda: "\n".join(site.told(run) for run in runs))
    return [site.run(run) for run in runs]


@pytest.mark.slow
def test_the_poison_run_is_named_and_its_siblings_complete(site: Site) -> None:
    site.deploy(FLOWS, name="poison")
    site.deploy(name="good")
    runs = site.submit(name="poison") + site.submit(name="good", parameters=[{"seconds": 1.0}] * 3)
    site.agent(limit=4)
    poison, *good = until_all_ended(site, runs, within=60.0)
    deaths = len(site.notes("poisoned"))
    assert (poison.state, poison.state_name, poison.lost) == (State.CRASHED, "Poison", deaths) and deaths == 4
    assert "alone on its agent: it takes its agent down with it" in poison.reason
    assert [run.state for run in good] == [State.COMPLETED] * 3, [run.reason for run in good]
    assert max(run.lost for run in good) == 3, "they were beside it when it took the agent down"


@pytest.mark.slow
def test_other_agents_go_on_while_one_runs_it_alone(site: Site) -> None:
    site.deploy(FLOWS, name="poison")
    site.deploy(name="good")
    (poison,) = site.submit(name="poison")
    for name in ("a1", "a2"):
        site.agent(name, limit=2)
    good = site.submit(name="good", parameters=[{"seconds": 0.3}] * 20)
    ended = until_all_ended(site, [poison, *good], within=60.0)
    assert ended[0].state_name == "Poison", ended[0].reason
    assert len(site.notes("poisoned")) == ended[0].lost in (3, 4)
    assert {run.state for run in ended[1:]} == {State.COMPLETED}
