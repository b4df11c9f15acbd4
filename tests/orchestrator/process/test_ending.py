"""However a flow's process comes to its end: what the user is owed happens, and the outcome is told as it was."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.flow_process import FlowProcess, run_flow, write_flow
from tests.support.waiting import wait_until


def test_atexit_handlers_and_threads_come_before_the_result(tmp_path: Path) -> None:
    body = """
import atexit, threading, time
@flow
def main():
    atexit.register(print, "atexit")
    threading.Thread(target=lambda: (time.sleep(0.2), print("thread"))).start()
    print("flow")
"""
    _, child = run_flow(write_flow(tmp_path, body))
    assert child.said() == ["flow", "thread", "atexit"]
    assert child.frames[-1][0] == "result"


def test_an_atexit_handler_that_raises_changes_nothing(tmp_path: Path) -> None:
    body = "import atexit\n@flow\ndef main():\n    atexit.register(lambda: 1 / 0)\n    return 1\n"
    result, child = run_flow(write_flow(tmp_path, body))
    assert result["state"] == "COMPLETED"
    assert "ZeroDivisionError" in child.said()[-1]


@pytest.mark.parametrize("code", ["", "0", "None"])
def test_sys_exit_without_a_code_completes_the_run(tmp_path: Path, code: str) -> None:
    result, _ = run_flow(write_flow(tmp_path, f"import sys\n@flow\ndef main(): sys.exit({code})\n"))
    assert result["state"] == "COMPLETED"


@pytest.mark.parametrize("code", ["3", "'no data'"])
def test_sys_exit_with_a_code_fails_the_run_and_says_so(tmp_path: Path, code: str) -> None:
    result, child = run_flow(write_flow(tmp_path, f"import sys\n@flow\ndef main(): sys.exit({code})\n"))
    assert result["state"] == "FAILED"
    assert result["message"] == f"the flow called sys.exit({code})"
    assert child.process.returncode == 0


def test_sys_exit_while_the_file_is_loaded_is_told_the_same_way(tmp_path: Path) -> None:
    result, _ = run_flow(write_flow(tmp_path, "import sys\nsys.exit(4)\n"))
    assert result["message"] == "the flow called sys.exit(4)"


def test_os_exit_gives_no_result_and_its_code(tmp_path: Path) -> None:
    result, child = run_flow(write_flow(tmp_path, "import os\n@flow\ndef main(): os._exit(3)\n"))
    assert result == {}
    assert child.process.returncode == 3


def test_sigterm_runs_finally_blocks_and_ends_as_terminated(tmp_path: Path) -> None:
    body = "import time\n@flow\ndef main():\n    try:\n        print('ready')\n        time.sleep(60)\n"
    body += "    except Exception:\n        print('swallowed')\n    finally:\n        print('cleaned up')\n"
    with FlowProcess(write_flow(tmp_path, body)) as child:
        child.go().until("out")
        os.kill(child.process.pid, signal.SIGTERM)
        result = child.finish()
    assert (result["state"], result["name"]) == ("FAILED", "Terminated")
    assert [body["text"] for body in child.of("out")] == ["ready\n", "cleaned up\n"]


def test_sigterm_reaches_a_flow_that_waits_for_a_task(tmp_path: Path) -> None:
    body = "import time\n@task\ndef slow():\n    print('ready')\n    time.sleep(60)\n"
    with FlowProcess(write_flow(tmp_path, body + "@flow\ndef main(): slow().result()\n")) as child:
        child.go().until("out")
        os.kill(child.process.pid, signal.SIGTERM)
        assert child.finish(10)["name"] == "Terminated"


def test_sigterm_unwinds_an_async_flow(tmp_path: Path) -> None:
    body = "import asyncio\n@flow\nasync def main():\n    try:\n        print('ready')\n"
    body += "        await asyncio.sleep(60)\n    finally:\n        print('cleaned up')\n"
    with FlowProcess(write_flow(tmp_path, body)) as child:
        child.go().until("out")
        os.kill(child.process.pid, signal.SIGTERM)
        assert child.finish(10)["name"] == "Terminated"
    assert child.said()[:2] == ["ready", "cleaned up"]


def test_a_handler_of_the_users_own_is_respected(tmp_path: Path) -> None:
    body = "import signal, time\nstop = []\n@flow\ndef main():\n"
    body += "    signal.signal(signal.SIGTERM, lambda *_: stop.append(1))\n    print('ready')\n"
    body += "    while not stop:\n        time.sleep(0.01)\n    return 'stopped politely'\n"
    with FlowProcess(write_flow(tmp_path, body)) as child:
        child.go().until("out")
        os.kill(child.process.pid, signal.SIGTERM)
        assert child.finish()["value"] == b'"stopped politely"'


def test_a_flow_printing_without_pause_is_terminated_with_whole_frames(tmp_path: Path) -> None:
    body = "@flow\ndef main():\n    n = 0\n    while True:\n        print('line', n, '.' * 500)\n        n += 1\n"
    with FlowProcess(write_flow(tmp_path, body)) as child:
        child.go().until("out", 50)
        os.kill(child.process.pid, signal.SIGTERM)
        assert child.finish(10)["name"] == "Terminated"
    printed = "".join(body["text"] for body in child.of("out"))
    # The signal may come between two pieces of one print: its line then ends where it was cut.
    *lines, cut = printed.split("\n")
    assert lines == [f"line {n} {'.' * 500}" for n in range(len(lines))]
    assert f"line {len(lines)} {'.' * 500}".startswith(cut)


def test_a_flow_stuck_in_a_print_that_nobody_reads_is_terminated_with_whole_frames(tmp_path: Path) -> None:
    body = "@flow\ndef main():\n    while True:\n        print('x' * 150_000)\n"
    with FlowProcess(write_flow(tmp_path, body)) as child:
        child.go().until("out")
        wait_until(lambda: sleeps(child.process.pid), 10)  # the socket is full, in the middle of a frame
        os.kill(child.process.pid, signal.SIGTERM)
        wait_until(lambda: sleeps(child.process.pid), 10)  # and still is when the signal has been handled
        assert child.finish(10)["name"] == "Terminated"
    printed = "".join(body["text"] for body in child.of("out"))
    assert set(printed.splitlines()) == {"x" * 150_000}


def test_a_time_out_raises_in_the_flow_and_is_named(tmp_path: Path) -> None:
    body = "import time\n@flow(timeout_seconds=0.2)\ndef main():\n    try:\n        time.sleep(60)\n"
    body += "    finally:\n        print('cleaned up')\n"
    result, child = run_flow(write_flow(tmp_path, body))
    assert (result["state"], result["name"]) == ("FAILED", "TimedOut")
    assert "0.2 s" in result["message"]
    assert child.said()[0] == "cleaned up"


def test_the_orders_time_out_wins_over_the_decorators(tmp_path: Path) -> None:
    path = write_flow(tmp_path, "import time\n@flow(timeout_seconds=60)\ndef main(): time.sleep(60)\n")
    result, _ = run_flow(path, start={"timeout_seconds": 0.2})
    assert result["name"] == "TimedOut"


def test_a_time_out_that_user_code_swallows_is_still_a_time_out(tmp_path: Path) -> None:
    body = "import time\n@flow(timeout_seconds=0.2)\ndef main():\n    try:\n        time.sleep(60)\n"
    result, _ = run_flow(write_flow(tmp_path, body + "    except Exception:\n        return 'all well'\n"))
    assert result["name"] == "TimedOut"


def test_a_hung_task_does_not_hold_up_a_flow_that_timed_out(tmp_path: Path) -> None:
    body = "import time\n@task\ndef hang(): time.sleep(60)\n@flow(timeout_seconds=0.2)\ndef main():\n    hang()\n"
    result, _ = run_flow(write_flow(tmp_path, body))
    assert result["name"] == "TimedOut"


def test_under_an_agent_a_failing_flow_is_tried_once(tmp_path: Path) -> None:
    body = "@flow(retries=3)\ndef main():\n    print('tried')\n    raise ValueError('no')\n"
    result, child = run_flow(write_flow(tmp_path, body))
    assert result["state"] == "FAILED"
    assert len(child.of("out")) == 1


@pytest.mark.parametrize("value", ["object()", "lambda: 1", "{1: object()}", "float('nan')", "iter([])"])
def test_a_result_that_is_not_json_completes_with_its_repr_and_a_warning(tmp_path: Path, value: str) -> None:
    result, child = run_flow(write_flow(tmp_path, f"@flow\ndef main(): return {value}\n"))
    assert (result["state"], result["value"]) == ("COMPLETED", None)
    assert result["value_repr"]
    assert f"the result is a {result['value_type']}" in child.said()[-1]


def test_a_result_over_the_bound_is_kept_as_repr(tmp_path: Path) -> None:
    result, child = run_flow(write_flow(tmp_path, "@flow\ndef main(): return 'x' * 600_000\n"))
    assert result["value"] is None
    assert len(result["value_repr"]) <= 1000
    assert "over 524288" in child.said()[-1]


def test_hostile_results_and_exceptions_change_no_outcome(tmp_path: Path) -> None:
    body = "class Bad(Exception):\n    def __str__(self): raise RuntimeError('no text')\n    __repr__ = __str__\n"
    result, _ = run_flow(write_flow(tmp_path, body + "@flow\ndef main(): return Bad()\n"))
    assert result["state"] == "COMPLETED"
    result, _ = run_flow(write_flow(tmp_path, body + "@flow\ndef main(): raise Bad()\n", "other.py"))
    assert result["message"] == "Bad: (its message can not be shown)"


def test_a_crash_in_compiled_code_tells_its_python_stack(tmp_path: Path) -> None:
    result, child = run_flow(write_flow(tmp_path, "import ctypes\n@flow\ndef main(): ctypes.string_at(0)\n"))
    assert (result, child.process.returncode) == ({}, -signal.SIGSEGV)
    assert "Segmentation fault" in child.errors() and "in main" in child.errors()


def sleeps(pid: int) -> bool:
    """Whether a process that only ever waits in a write keeps waiting there, with no signal on its way."""
    status = [Path(f"/proc/{pid}/status").read_text() for _ in range(1000)]
    return all("State:\tS" in each and "ShdPnd:\t0000000000000000" in each for each in status)
