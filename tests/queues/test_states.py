"""The table of legal moves, by itself."""

from importlib.resources import files
from inspect import getsource

from queues.states import HELD, INITIAL, TERMINAL, TRANSITIONS, State, drawing, may_move


def test_every_state_has_its_row_in_the_table() -> None:
    assert set(TRANSITIONS) == set(State)


def test_terminal_states_lead_nowhere() -> None:
    assert {State.COMPLETED, State.FAILED, State.CRASHED, State.CANCELLED} == TERMINAL
    assert all(not TRANSITIONS[state] for state in TERMINAL)


def test_every_state_can_be_reached_from_a_new_run() -> None:
    reached, rest = set(INITIAL), list(INITIAL)
    while rest:
        for after in TRANSITIONS[rest.pop()] - reached:
            reached.add(after)
            rest.append(after)
    assert reached == set(State)


def test_a_cancelling_run_can_only_end_cancelled() -> None:
    assert TRANSITIONS[State.CANCELLING] == {State.CANCELLED}


def test_every_held_state_can_end_cancelled_and_no_waiting_state_starts_running_unclaimed() -> None:
    assert all(may_move(state, State.CANCELLED) for state in HELD)
    assert [state for state in State if may_move(state, State.PENDING)] == [State.QUEUED]
    assert [state for state in State if may_move(state, State.RUNNING)] == [State.PENDING]


def test_every_state_explains_itself_in_the_source() -> None:
    lines = getsource(State).splitlines()
    values = [number for number, line in enumerate(lines) if " = " in line]
    assert len(values) == len(State)
    assert all(lines[number + 1].strip().startswith('"""') for number in values)


def test_the_drawing_on_the_page_is_made_from_the_table() -> None:
    assert f"```mermaid\n{drawing()}\n```" in files("queues").joinpath("README.md").read_text()
    assert drawing().count("-->") == len(INITIAL) + len(TERMINAL) + sum(len(onward) for onward in TRANSITIONS.values())
