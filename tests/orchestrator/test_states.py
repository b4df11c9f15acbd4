"""What users call the states of a run."""

import pytest

from orchestrator.states import NAMES, shown_name
from queues.states import AWAITING_RETRY, State


@pytest.mark.parametrize("state", list(State))
def test_a_state_without_a_name_of_its_own_is_called_by_its_word(state: State) -> None:
    assert shown_name(state) == state.value.capitalize()


def test_a_recorded_name_wins() -> None:
    assert shown_name(State.SCHEDULED, AWAITING_RETRY) == "AwaitingRetry"
    assert shown_name(State.CRASHED, "Poison") == "Poison"


def test_only_a_queued_run_is_late() -> None:
    assert shown_name(State.QUEUED, late=True) == "Late"
    assert shown_name(State.RUNNING, late=True) == "Running"


def test_every_name_says_what_it_means() -> None:
    assert all(name == one.name and one.says for name, one in NAMES.items())
