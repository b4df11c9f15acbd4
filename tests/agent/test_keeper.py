"""When a supervisor is started again, and what its end is called."""

import signal

from agent.keeper import FINAL, exit_code, how_it_ended, next_pause


def test_the_pause_doubles_to_thirty_seconds_while_supervisors_die_young() -> None:
    pauses = [0.0]
    for _ in range(9):
        pauses.append(next_pause(pauses[-1], lived=2.0))
    assert pauses[1:] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_supervisor_that_lived_for_a_minute_begins_anew() -> None:
    assert next_pause(30.0, lived=61.0) == 0.25


def test_ends_are_told_in_words() -> None:
    assert how_it_ended(-signal.SIGKILL) == "was killed by SIGKILL"
    assert how_it_ended(70) == "exited with code 70"
    assert how_it_ended(-64).startswith("was killed by")


def test_a_supervisor_that_was_asked_to_end_before_it_began_is_a_clean_end() -> None:
    assert exit_code(-signal.SIGTERM) == 0
    assert exit_code(-signal.SIGKILL) == 137 and exit_code(4) == 4


def test_refusals_are_final_and_accidents_are_not() -> None:
    assert set(FINAL) == {0, 2, 3, 4, 5}
