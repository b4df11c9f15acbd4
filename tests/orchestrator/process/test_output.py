"""Everything a run prints and logs arrives: in exact order from its own process, by the pipes from all others."""

import signal
from pathlib import Path

from tests.support.flow_process import FlowProcess, run_flow, write_flow


def test_prints_run_logs_and_logging_arrive_in_the_order_written(tmp_path: Path) -> None:
    body = """
import logging, sys
@flow
def main():
    for n in range(300):
        print("print", n)
        get_run_logger().info("run log %d", n)
        logging.getLogger("lib").warning("logging %d", n)
        print("error", n, file=sys.stderr)
"""
    _, child = run_flow(write_flow(tmp_path, body))
    kinds = ("print", "run log", "logging", "error")
    assert child.said() == [f"{kind} {n}" for n in range(300) for kind in kinds]


def test_stdout_and_stderr_are_told_apart(tmp_path: Path) -> None:
    body = "import sys\n@flow\ndef main():\n    print('one')\n    print('two', file=sys.stderr)\n"
    _, child = run_flow(write_flow(tmp_path, body))
    assert child.of("out") == [{"stream": 1, "text": "one\n"}, {"stream": 2, "text": "two\n"}]


def test_a_grandchilds_print_comes_by_the_pipe(tmp_path: Path) -> None:
    body = """
import subprocess, sys
@flow
def main():
    subprocess.run([sys.executable, "-c", "import os; print('grandchild'); os.system('echo shell')"], check=True)
"""
    _, child = run_flow(write_flow(tmp_path, body))
    assert sorted(child.printed().splitlines()) == ["grandchild", "shell"]


def test_a_forked_child_falls_back_to_the_pipes(tmp_path: Path) -> None:
    body = """
import logging, os
@flow
def main():
    print("before")
    if os.fork() == 0:
        print("forked"); get_run_logger().info("forked log"); logging.warning("forked logging")
        os._exit(0)
    os.wait()
    print("after")
"""
    _, child = run_flow(write_flow(tmp_path, body))
    assert child.said() == ["before", "after"]
    assert child.printed() == "forked\n"
    assert "forked log" in child.errors()
    assert "forked logging" in child.errors()


def test_a_child_of_a_forked_child_keeps_a_file_under_the_number_of_the_flows_socket(tmp_path: Path) -> None:
    body = """
import os
from orchestrator.sdk import context
@flow
def main():
    number = context.reporter()._link.fd
    if os.fork() == 0:
        os.dup2(1, number)
        if os.fork() == 0:
            os.write(number, b"kept\\n")
            os._exit(0)
        os.wait()
        os._exit(0)
    os.wait()
"""
    result, child = run_flow(write_flow(tmp_path, body))
    assert result["state"] == "COMPLETED" and child.printed() == "kept\n"


def test_multiprocessing_by_fork_and_by_spawn_prints_and_answers(tmp_path: Path) -> None:
    body = """
import multiprocessing
def work(n):
    print("worker", n)
    return n * n
@flow
def main(how: str):
    with multiprocessing.get_context(how).Pool(1) as pool:
        return pool.map(work, [2, 3])
"""
    for how in ("fork", "spawn"):
        result, child = run_flow(write_flow(tmp_path, body), parameters={"how": how})
        assert result["value"] == b"[4,9]", child.errors()
        assert child.printed() == "worker 2\nworker 3\n"


def test_standard_streams_look_like_files(tmp_path: Path) -> None:
    body = """
import sys
@flow
def main():
    sys.stdout.buffer.write(b"raw \\xff\\xc3"); sys.stdout.buffer.flush(); sys.stdout.buffer.write(b"\\xa4\\n")
    sys.stdout.flush()
    return [sys.stdout.fileno(), sys.stderr.fileno(), sys.stdout.encoding, sys.stdout.isatty()]
"""
    result, child = run_flow(write_flow(tmp_path, body))
    assert result["value"] == b'[1,2,"utf-8",false]'
    assert "".join(body["text"] for body in child.of("out")) == "raw \\xffä\n"


def test_the_unfinished_last_line_is_sent_at_the_end(tmp_path: Path) -> None:
    _, child = run_flow(write_flow(tmp_path, "@flow\ndef main():\n    print('no newline', end='')\n"))
    assert child.of("out") == [{"stream": 1, "text": "no newline"}]
    assert child.frames[-1][0] == "result"


def test_what_was_flushed_of_a_line_arrives_at_once(tmp_path: Path) -> None:
    body = "import time\n@flow\ndef main():\n    print('50 %', end='', flush=True)\n    time.sleep(60)\n"
    with FlowProcess(write_flow(tmp_path, body)) as child:
        assert child.go().until("out") == {"stream": 1, "text": "50 %"}


def test_kill_9_right_after_a_print_loses_nothing_printed(tmp_path: Path) -> None:
    body = "import os\n@flow\ndef main():\n    for n in range(1000):\n        print(n)\n    os.kill(os.getpid(), 9)\n"
    result, child = run_flow(write_flow(tmp_path, body))
    assert result == {}
    assert child.process.returncode == -signal.SIGKILL
    assert child.said() == [str(n) for n in range(1000)]


def test_a_stream_the_user_put_in_place_is_flushed_at_the_end(tmp_path: Path) -> None:
    body = "import io, sys\n@flow\ndef main():\n"
    body += "    sys.stdout = io.TextIOWrapper(sys.stdout.buffer, write_through=False)\n    print('mine')\n"
    _, child = run_flow(write_flow(tmp_path, body))
    assert child.said() == ["mine"]


def test_a_line_larger_than_a_frame_arrives_whole(tmp_path: Path) -> None:
    _, child = run_flow(write_flow(tmp_path, "@flow\ndef main():\n    print('x' * 10_000_000)\n"))
    assert "".join(body["text"] for body in child.of("out")) == "x" * 10_000_000 + "\n"


def test_threads_that_print_at_once_do_not_cut_each_others_frames(tmp_path: Path) -> None:
    body = """
@task
def talk(name):
    for n in range(200):
        print(f"{name} {n} " + "." * 200 + "\\n", end="", flush=True)
        get_run_logger().info("%s %d", name, n)
@flow
def main():
    talk.map("abcd".split() + list("abc"))
"""
    _, child = run_flow(write_flow(tmp_path, body))
    records = [body for body in child.of("log") if body["logger"] == "flow"]
    assert len(records) == 4 * 200
    for task in {record["task"] for record in records}:
        numbers = [int(record["message"].split()[-1]) for record in records if record["task"] == task]
        assert numbers == list(range(200))


def test_output_of_c_code_is_not_left_in_cs_buffer(tmp_path: Path) -> None:
    body = "import ctypes\n@flow\ndef main():\n    ctypes.CDLL(None).printf(b'from C\\n')\n"
    _, child = run_flow(write_flow(tmp_path, body), env={"PYTHONUNBUFFERED": ""})
    assert child.printed() == "from C\n"


def test_a_print_in_a_signal_handler_on_top_of_a_print_does_not_hang(tmp_path: Path) -> None:
    body = """
import signal, os
@flow
def main():
    logger = get_run_logger()
    signal.signal(signal.SIGUSR1, lambda *_: logger.info("handled"))
    signal.signal(signal.SIGVTALRM, lambda *_: logger.info("tick"))
    signal.setitimer(signal.ITIMER_VIRTUAL, 0.0005, 0.0005)
    for n in range(3000):
        logger.info("line %d", n)
    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
"""
    result, child = run_flow(write_flow(tmp_path, body))
    assert result["state"] == "COMPLETED"
    lines = [line for line in child.said() if line != "tick"]
    assert lines == [f"line {n}" for n in range(3000)]
    assert "tick" in child.said()
