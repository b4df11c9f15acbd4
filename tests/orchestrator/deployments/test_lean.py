"""A flow's file declares its deployments at every run: in a flow's process that must cost next to nothing."""

import json
import subprocess
import sys

DECLARING = """
import json, sys
from orchestrator import flow
from orchestrator.sdk import context
context.in_flow_process = True
from datetime import timedelta
before = set(sys.modules)
from orchestrator.deployments import DeploymentSpec
from orchestrator.flow_runners import SubprocessFlowRunner
from orchestrator.schedules import CronSchedule, IntervalSchedule, RRuleSchedule

@flow
def main():
    pass

DeploymentSpec(flow=main, name="a", schedule=IntervalSchedule(interval=timedelta(minutes=5)), tags=["ml"],
               flow_runner=SubprocessFlowRunner())
DeploymentSpec(flow_location="no_such_file.py", name="b", schedules=[CronSchedule("not a line", timezone="Mars"),
               RRuleSchedule("neither")], nonsense=1)
loaded = sorted(set(sys.modules) - before)
import json
print(json.dumps(loaded))
"""


def test_declaring_in_a_flow_process_loads_three_modules_and_checks_nothing() -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", DECLARING.replace("import json, sys", "import sys", 1)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [
        "orchestrator.deployments",
        "orchestrator.flow_runners",
        "orchestrator.schedules",
    ]
