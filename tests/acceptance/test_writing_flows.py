"""What flow authors may rely on when an agent runs their files: their own module names, output, snippets."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.installation import ROOT, Installation
from tests.support.waiting import wait_until


@pytest.fixture
def installation() -> Iterator[Installation]:
    with Installation() as made:
        made.start_scheduler()
        made.start_agent("x", "default")
        yield made


def finished(installation: Installation, deployment: str) -> dict[str, object]:
    """Run a deployment to its end, whatever that is."""
    run_id = installation.json("deployment", "run", deployment)["id"]
    ends = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
    wait_until(
        lambda: installation.json("flow-run", "inspect", run_id)["state"] in ends,
        within=20,
        message=installation.role_logs,
    )
    run: dict[str, object] = installation.json("flow-run", "inspect", run_id)
    return run


SHADOWS = """
    import agent, logging, queues, tests, utils
    from orchestrator import flow, get_run_logger
    from orchestrator.deployments import DeploymentSpec

    @flow
    def shadows():
        get_run_logger().info("own modules: %s", [m.MINE for m in (agent, logging, queues, tests, utils)])

    DeploymentSpec(flow=shadows, name="d")
"""


def test_modules_of_a_user_may_have_the_names_of_ours(installation: Installation) -> None:
    for name in ("agent.py", "utils.py", "logging.py", "queues/__init__.py", "tests/__init__.py"):
        path = installation.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"MINE = {name!r}\n")
    installation.deploy(SHADOWS)
    run = finished(installation, "shadows/d")
    assert run["state"] == "COMPLETED", run["reason"]
    assert "queues/__init__.py" in "".join(installation.log(str(run["id"])))


OUTPUT = """
    import logging, subprocess, sys
    from orchestrator import flow, task, get_run_logger
    from orchestrator.deployments import DeploymentSpec

    @flow
    def output():
        print("one")
        get_run_logger().info("two")
        logging.getLogger("theirs").warning("three")
        print("four", file=sys.stderr)
        script = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(\\"from a grandchild\\")'])"
        subprocess.run([sys.executable, "-c", script])

    DeploymentSpec(flow=output, name="d")
"""


def test_all_output_is_in_the_log_in_the_order_written(installation: Installation) -> None:
    installation.deploy(OUTPUT)
    run = finished(installation, "output/d")
    messages = installation.log(str(run["id"]))
    assert [m for m in messages if m in ("one", "two", "three", "four")] == ["one", "two", "three", "four"]
    assert "from a grandchild" in messages


SNIPPETS = """
    from datetime import timedelta
    from orchestrator import flow, task, get_run_logger
    from orchestrator.deployments import DeploymentSpec
    from orchestrator.schedules import IntervalSchedule, CronSchedule
    from orchestrator.flow_runners import SubprocessFlowRunner

    @task(retries=3, retry_delay_seconds=10)
    def get_paths(date):
        return "train", "val"

    @task
    def read_data(path):
        return path + " data"

    @flow
    def main(date=None):
        train_path, val_path = get_paths(date).result()
        train = read_data(train_path)
        again = read_data(train)
        return again.result()

    if __name__ == "__main__":
        print(main())

    DeploymentSpec(flow=main, name="model_training", schedule=IntervalSchedule(interval=timedelta(minutes=5)),
                   flow_runner=SubprocessFlowRunner(), tags=["ml"])
    DeploymentSpec(flow_location="flows.py", flow_name="main", name="nightly", parameters={"date": "2021-08-15"},
                   schedule=CronSchedule(cron="0 9 15 * *", timezone="America/New_York"), tags=["ml"])
"""


def test_the_snippets_of_the_notes_work(installation: Installation) -> None:
    created = installation.deploy(SNIPPETS)
    assert [(one["name"], one["status"]) for one in created] == [
        ("main/model_training", "created"),
        ("main/nightly", "created"),
    ]
    run = finished(installation, "main/nightly")
    assert (run["state"], run["result"]) == ("COMPLETED", "train data data")


def test_a_flow_file_runs_by_itself_with_no_redis(installation: Installation) -> None:
    path = installation.folder / "alone.py"
    path.write_text("\n".join(line.removeprefix("    ") for line in SNIPPETS.splitlines()))
    done = subprocess.run(
        [sys.executable, str(path)],
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HEADGATE_REDIS_URL": "redis://127.0.0.1:1"},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "train data data\n"
    assert "Traceback" not in done.stderr


FAILING = """
    import os, signal
    from orchestrator import flow, task
    from orchestrator.deployments import DeploymentSpec

    @task
    def breaks():
        raise ValueError("broken inside")

    @flow
    def unread():
        breaks()

    @flow
    def leaves():
        os._exit(3)

    @flow
    def dies():
        os.kill(os.getpid(), signal.SIGKILL)

    @flow(retries=1, retry_delay_seconds=0.5)
    def again():
        raise RuntimeError("attempt fails")

    for one in (unread, leaves, dies, again):
        DeploymentSpec(flow=one, name="d")
"""


@pytest.mark.parametrize(
    ("deployment", "state", "said", "attempt"),
    [
        ("unread/d", "FAILED", "broken inside", 1),
        ("leaves/d", "CRASHED", "code 3", 1),
        ("dies/d", "CRASHED", "signal 9", 1),
        ("again/d", "FAILED", "attempt fails", 2),
    ],
)
def test_a_failure_has_a_state_and_a_reason(
    installation: Installation, deployment: str, state: str, said: str, attempt: int
) -> None:
    installation.deploy(FAILING)
    run = finished(installation, deployment)
    assert run["state"] == state
    assert said in str(run["reason"])
    assert run["attempt"] == attempt
