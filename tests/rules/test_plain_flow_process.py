"""The process of a plain flow stays as light as a bare interpreter: what it never loads, and what only late."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.process import frames
from tests.benchmarks.start_up import start_order
from tests.rules.source_files import PRODUCT, ROOT

# No flow that does not use them itself pays for these, however many tasks, logs and failures it has.
NEVER = {
    *("redis", "rq", "structlog", "pydantic", "asyncio", "msgpack", "click", "rich", "psutil", "croniter", "dateutil"),
    *("fastapi", "starlette", "uvicorn", "jinja2", "queues", "agent", "orchestrator.store", "orchestrator.client"),
    *("orchestrator.config", "orchestrator.scheduler", "orchestrator.cli", "pickle", "concurrent.futures"),
}
# Not even by a flow that does nothing: each costs its start milliseconds.
NOT_AT_START = {
    *(
        "dataclasses",
        "inspect",
        "logging",
        "traceback",
        "uuid",
        "pathlib",
        "typing",
        "enum",
        "json",
        "re",
        "subprocess",
    ),
    *("subprocess", "tempfile", "socket", "threading", "zoneinfo", "signal", "queue", "runpy", "hashlib"),
    *(
        "decimal",
        "functools",
        "selectors",
        "ctypes",
        "random",
        "datetime",
        "secrets",
        "importlib.util",
        "struct",
        "contextlib",
    ),
    "collections",
}

PLAIN = """
from orchestrator import flow

@flow
def main():
    import sys
    print(*sorted(sys.modules))
"""
BUSY = """
from orchestrator import flow, get_run_logger, task

@task(retries=1)
def double(number):
    get_run_logger().info("doubling %s", number)
    return 2 * number

@flow
def main(number: int = 2):
    double.map([1, 2])
    assert double(double(number)).result() == 8
    import sys
    print(*sorted(sys.modules))
"""
AT_THE_END = """
from orchestrator import flow, task

@task
def broken():
    raise ValueError("broken")

@flow
def main():
    import atexit, sys
    atexit.register(lambda: print(*sorted(sys.modules)))
    broken().result()
"""


def modules_of(folder: Path, text: str) -> set[str]:
    """Run a flow as an agent would, and give what its process had loaded when it printed that."""
    path = folder / "plain.py"
    path.write_text(text)
    ours, theirs = socket.socketpair()
    entry = f"from orchestrator.process.child import main; main({theirs.fileno()})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", entry], pass_fds=[theirs.fileno()], env=environment, cwd=folder
    )
    theirs.close()
    with ours:
        frames.write_frame(ours.fileno(), "start", start_order(path) | {"function": "main"})
        printed = printed_lines(ours.fileno())
    assert process.wait(20) == 0
    (line,) = [line for line in printed if "builtins" in line]
    return set(line.split())


def printed_lines(fd: int) -> list[str]:
    """Play the agent until the process hangs up; what the flow printed."""
    lines = []
    while received := frames.read_frame(fd):
        kind, body = received
        if kind == "hello":
            frames.write_frame(fd, "go", {})
        if kind == "out":
            lines.append(str(body["text"]))
    return lines


def below(names: set[str], loaded: set[str]) -> list[str]:
    """The loaded modules that are one of the names or stand below one."""
    return sorted(module for module in loaded if any(module == n or module.startswith(f"{n}.") for n in names))


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """What an interpreter of this environment has loaded before anything of ours: its .pth files may load much."""
    command = [sys.executable, "-c", "import sys; print(*sorted(sys.modules))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def test_a_plain_flow_loads_nothing_that_costs_its_start(tmp_path, bare):
    loaded = modules_of(tmp_path, PLAIN) - bare
    assert below(NEVER | NOT_AT_START, loaded) == []


@pytest.mark.parametrize("text", [BUSY, AT_THE_END], ids=["tasks, retries, logs", "a failure"])
def test_a_flow_with_tasks_logs_or_a_failure_loads_none_of_the_heavy_ones(tmp_path, bare, text):
    assert below(NEVER, modules_of(tmp_path, text) - bare) == []


def test_of_ours_only_the_orchestrators_sdk_and_process_are_loaded(tmp_path):
    ours = {name for name in modules_of(tmp_path, BUSY) if name.split(".")[0] in PRODUCT}
    assert {".".join(name.split(".")[:2]) for name in ours} == {
        "orchestrator",
        "orchestrator.process",
        "orchestrator.sdk",
    }


def test_a_flow_that_loads_a_heavy_module_is_seen(tmp_path, bare):
    heavy = PLAIN.replace("import sys", "import sys, json")
    assert "json" in below(NEVER | NOT_AT_START, modules_of(tmp_path, heavy) - bare)
