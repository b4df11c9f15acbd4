"""What the end of a run's process is taken to mean."""

import pytest

from agent.runners.outcome import Ending, Exit, GiveBack, Result, Rules, Verdict, delivery
from queues.claims import Outcome
from queues.states import State

COMPLETED = Result(state=State.COMPLETED, data={"result": b"42"})
FAILED = Result(state=State.FAILED, message="ValueError: no", data={"error": b"Traceback"})


def said(**what: object) -> Outcome:
    ending = {"rules": Rules(), "exit": Exit(code=0), "confirmed": True} | what
    found = delivery(Ending(**ending))  # type: ignore[arg-type]
    assert isinstance(found, Outcome)
    return found


def test_a_result_is_what_the_flow_says_it_is() -> None:
    assert (said(result=COMPLETED).state, said(result=COMPLETED).data) == (State.COMPLETED, {"result": b"42"})
    assert (said(result=FAILED).state, said(result=FAILED).reason) == (State.FAILED, "ValueError: no")


def test_an_exit_without_a_result_is_a_crash_that_names_the_code() -> None:
    found = said(exit=Exit(code=3))
    assert (found.state, found.reason) == (State.CRASHED, "exited with code 3 without a result")
    assert found.fields["exit_code"] == 3


def test_even_exit_code_0_is_a_crash_without_a_result() -> None:
    assert said(exit=Exit(code=0)).state == State.CRASHED


def test_a_process_that_never_loaded_the_flow_is_explained_by_its_last_words() -> None:
    words = "ModuleNotFoundError: No module named 'orchestrator'"
    found = said(exit=Exit(code=1), confirmed=False, last_words=words)
    assert found.reason == f"exited with code 1 without a result before the flow was loaded: {words}"


def test_signal_9_is_likely_a_lack_of_memory() -> None:
    found = said(exit=Exit(signal=9, max_rss_kb=2048 * 1024))
    assert found.reason == "killed by signal 9, likely out of memory (max RSS 2048 MB)"
    assert (found.state, found.fields["signal"]) == (State.CRASHED, "SIGKILL")


def test_signal_9_is_surely_a_lack_of_memory_when_the_kernel_counted_it() -> None:
    assert "the kernel counted an OOM kill" in said(exit=Exit(signal=9, max_rss_kb=1024, oom_kills=1)).reason


def test_another_signal_is_named() -> None:
    assert said(exit=Exit(signal=11)).reason == "killed by signal 11 (SIGSEGV)"


def test_a_failed_try_waits_for_the_next_while_retries_are_left() -> None:
    rules = Rules(retries=2, retry_delay_seconds=10, failures=1)
    assert said(result=FAILED, rules=rules).retry_in_seconds == 10
    assert said(exit=Exit(code=3), rules=rules).retry_in_seconds == 10


def test_the_last_failed_try_is_final() -> None:
    assert said(result=FAILED, rules=Rules(retries=2, failures=2)).retry_in_seconds is None


def test_a_time_out_is_a_failure_with_its_own_name() -> None:
    found = said(verdict=Verdict.TIMED_OUT, rules=Rules(timeout_seconds=1.5), exit=Exit(signal=15))
    assert (found.state, found.name, found.reason) == (State.FAILED, "TimedOut", "took longer than 1.5 s")


def test_a_cancelled_run_is_cancelled_whatever_its_process_said() -> None:
    assert said(verdict=Verdict.CANCELLED, result=FAILED).state == State.CANCELLED


@pytest.mark.parametrize("verdict", [Verdict.DRAINED, Verdict.CUT, Verdict.AWAY, Verdict.STALLED])
def test_a_run_that_the_agent_had_to_end_is_given_back(verdict: Verdict) -> None:
    found = delivery(Ending(rules=Rules(), exit=Exit(signal=9), verdict=verdict))
    assert found == GiveBack(verdict.value, counts_as_loss=verdict is Verdict.STALLED)


@pytest.mark.parametrize("verdict", [Verdict.DRAINED, Verdict.CUT, Verdict.AWAY])
def test_a_run_that_completed_before_it_was_ended_is_completed(verdict: Verdict) -> None:
    assert said(verdict=verdict, result=COMPLETED, exit=Exit(signal=9)).state == State.COMPLETED


def test_what_a_flow_says_about_the_sigterm_of_a_drain_is_not_its_result() -> None:
    found = delivery(Ending(rules=Rules(), exit=Exit(code=0), verdict=Verdict.DRAINED, result=FAILED))
    assert isinstance(found, GiveBack)


def test_a_run_that_is_another_agents_by_now_is_not_spoken_about() -> None:
    assert delivery(Ending(rules=Rules(), exit=Exit(signal=9), verdict=Verdict.LOST, result=COMPLETED)) is None


def test_a_process_that_breaks_the_protocol_has_crashed() -> None:
    assert said(verdict=Verdict.FORGED, exit=Exit(signal=9)).state == State.CRASHED
