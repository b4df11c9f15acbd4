"""`python flow.py`: no server, no Redis, no waiting; readable lines on stderr."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

from tests.support.flow_process import write_flow

LINE = re.compile(r"^\d\d:\d\d:\d\d\.\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) +(\S+)  (.*)$")
BODY = """
@task
def square(n): return n * n
@flow
def main(n: int = 3):
    get_run_logger().info("squaring %d", n)
    return square(n).result()
if __name__ == "__main__":
    print(main())
"""


def python(path: Path, **env: str) -> "subprocess.CompletedProcess[str]":
    """Run a file as a user does, with nothing of Redis in sight."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("HEADGATE_")}
    command = [sys.executable, str(path)]
    return subprocess.run(command, capture_output=True, text=True, env=clean | env, timeout=60, cwd=path.parent)


def lines(text: str) -> list[tuple[str, str]]:
    """Level and message of each line."""
    found = [LINE.match(line) for line in text.splitlines()]
    return [(match[1], match[3]) for match in found if match]


def test_a_file_runs_and_tells_start_logs_and_end_on_stderr(tmp_path: Path) -> None:
    run = python(write_flow(tmp_path, BODY))
    assert run.stdout == "9\n"
    told = lines(run.stderr)
    assert [level for level, _ in told] == ["INFO"] * 4
    assert re.fullmatch(r"flow run main-\w+ started", told[0][1])
    assert told[1][1] == "squaring 3"
    assert told[2][1].startswith("task run square-0 completed in ")
    assert re.fullmatch(r"flow run main-\w+ completed in \d\.\d{3} s", told[3][1])


def test_it_is_done_in_a_fraction_of_a_second(tmp_path: Path) -> None:
    path = write_flow(tmp_path, BODY)
    python(path)
    started = time.monotonic()
    python(path)
    assert time.monotonic() - started < 1.0


def test_a_failure_shows_a_traceback_and_a_code(tmp_path: Path) -> None:
    run = python(write_flow(tmp_path, "@flow\ndef main(): raise ValueError('no')\nmain()\n"))
    assert run.returncode == 1
    assert lines(run.stderr)[-1][1].endswith(": ValueError: no")
    assert "flow.py" in run.stderr and run.stderr.rstrip().endswith("ValueError: no")


def test_a_task_failure_is_told_with_its_traceback_and_the_flow_with_the_cause(tmp_path: Path) -> None:
    body = "@task\ndef bad(): raise ValueError('no')\n@flow\ndef main():\n    bad()\nmain()\n"
    told = lines(python(write_flow(tmp_path, body)).stderr)
    assert ("ERROR", "task run bad-0 failed: ValueError: no") in told
    assert told[-1][1].endswith("TaskFailed: task run bad-0 failed and nobody read its result: ValueError: no")


def test_files_of_any_name_beside_a_flow_run_as_a_script_do_no_harm(tmp_path: Path) -> None:
    for name in ("agent", "queues", "utils", "logging", "types", "json"):
        (tmp_path / f"{name}.py").write_text("WHOSE = 'mine'\n")
    body = (
        "import agent, json, logging, queues, types, utils\n@flow\ndef main():\n    return agent.WHOSE + json.WHOSE\n"
    )
    run = python(write_flow(tmp_path, body + "print(main())\n"))
    assert run.stdout == "minemine\n", run.stderr


def test_threading_first_imported_in_a_task_does_not_hang_the_end(tmp_path: Path) -> None:
    body = "@task\ndef first():\n    import threading\n    return threading.main_thread().name\n"
    run = python(write_flow(tmp_path, body + "@flow\ndef main(): return first()\nprint(main())\n"))
    assert (run.returncode, run.stdout) == (0, "MainThread\n")


def test_ctrl_c_ends_a_flow_at_once(tmp_path: Path) -> None:
    body = "import time\n@task\ndef hang(): time.sleep(60)\n@flow\ndef main():\n    print('ready', flush=True)\n"
    path = write_flow(tmp_path, body + "    hang().result()\nmain()\n")
    process = subprocess.Popen([sys.executable, str(path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        process.send_signal(2)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert b"KeyboardInterrupt" in errors


def test_a_closed_stderr_does_not_disturb_the_run(tmp_path: Path) -> None:
    path = write_flow(tmp_path, "import sys\n" + BODY.replace("print(main())", "sys.stderr.close(); print(main())"))
    assert python(path).stdout == "9\n"
