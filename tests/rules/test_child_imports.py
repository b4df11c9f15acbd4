"""The process of a plain flow loads next to nothing: each entry here is paid for at every start of every run."""

import json
import os
import subprocess
import sys
from pathlib import Path

from agent.runners.pack import MODULES
from tests.support.flow_process import run_flow, write_flow

PLAIN_FLOW = """
import sys
@task(retries=1, retry_delay_seconds=1)
def one(n): return n + 1
@task
def two(n): return n * 2
@flow
def main(n: int = 1):
    print("printed")
    get_run_logger().info("logged %d", n)
    two(one(n)).result()
    return " ".join(sys.modules)
"""
DEPLOYED_FLOW = """
from orchestrator.deployments import DeploymentSpec
from orchestrator.flow_runners import SubprocessFlowRunner
from orchestrator.schedules import CronSchedule
import sys
@flow
def main():
    return " ".join(sys.modules)
DeploymentSpec(flow=main, name="d", schedule=CronSchedule(cron="0 9 15 * *", timezone="America/New_York"),
               flow_runner=SubprocessFlowRunner())
"""
FAILING_FLOW = """
@task
def broken(): raise ValueError("broken")
@flow
def main():
    import atexit, sys
    atexit.register(lambda: print(*sys.modules))
    broken().result()
"""

# Beyond a bare interpreter: shared objects and builtins only. Nothing may be added without its cost in milliseconds.
ALLOWED = {
    "_contextvars",  # 0.2 ms: tasks run in a copy of the context in which they were called
    "_collections",  # built in: the queue of the workers
    "atexit",  # built in: the user's handlers run before the result is sent
    "faulthandler",  # built in: a segmentation fault tells where
    "fcntl",  # 0.2 ms: the life pipe
    "flow",  # the user's own file
}
OURS = set(MODULES)
"""What every flow's process is given in one piece."""

NEVER = "redis rq structlog pydantic asyncio click msgpack dataclasses inspect logging traceback typing enum threading "
NEVER += "json uuid pathlib functools re collections contextlib struct socket signal types weakref datetime subprocess"


def bare_modules() -> set[str]:
    """What `python -P -c` itself has loaded in this environment."""
    code = "import sys; print(' '.join(sys.modules))"
    return set(
        subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True, text=True).stdout.split()
    )


def loaded_by_a_plain_flow(folder: Path) -> set[str]:
    result, _ = run_flow(write_flow(folder, PLAIN_FLOW), life_pipe=True)
    assert result["state"] == "COMPLETED", result
    return set(str(json.loads(result["value"])).split())


def test_the_process_of_a_plain_flow_loads_nothing_outside_the_list(tmp_path: Path) -> None:
    extra = loaded_by_a_plain_flow(tmp_path) - bare_modules() - ALLOWED - OURS
    assert not extra, f"a flow's process loads {sorted(extra)}: load it later, or add it to the list with its cost"


def test_nothing_heavy_is_loaded_whatever_the_lists_say(tmp_path: Path) -> None:
    assert not (loaded_by_a_plain_flow(tmp_path) - bare_modules()) & set(NEVER.split())
    assert not (ALLOWED | OURS) & set(NEVER.split())


def test_the_list_names_nothing_that_is_not_loaded_any_more(tmp_path: Path) -> None:
    loaded = loaded_by_a_plain_flow(tmp_path)
    # It is asked before the result is encoded; some of these are built in or loaded at start by other Pythons.
    assert OURS - loaded <= {"orchestrator.sdk.results", "orchestrator.deployments", "orchestrator.flow_runners"}


def test_importing_the_package_loads_no_module_of_the_library(tmp_path: Path) -> None:
    code = "import sys; before = set(sys.modules); import orchestrator; print(' '.join(set(sys.modules) - before))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        check=True,
        text=True,
        cwd=os.fspath(Path(__file__).parents[2]),
    )
    extra = {name for name in run.stdout.split() if name.partition(".")[0] != "orchestrator"}
    assert extra <= ALLOWED | {"_signal"}


def test_not_even_a_failing_flow_loads_an_engine_a_server_or_a_client(tmp_path: Path) -> None:
    result, child = run_flow(write_flow(tmp_path, FAILING_FLOW))
    printed = next(body["text"] for body in child.of("out") if "builtins" in body["text"])
    assert result["state"] == "FAILED"
    assert not (set(printed.split()) - bare_modules()) & set(NEVER.split())


def test_deployments_in_the_flows_own_file_cost_next_to_nothing(tmp_path: Path) -> None:
    result, _ = run_flow(write_flow(tmp_path, DEPLOYED_FLOW))
    extra = set(str(json.loads(result["value"])).split()) - bare_modules() - ALLOWED - OURS
    assert extra == {"orchestrator.schedules"}
