"""The same training on the 15th of each month at nine in New York, when last month's trips have been published."""

from orchestrator.deployments import DeploymentSpec
from orchestrator.flow_runners import SubprocessFlowRunner
from orchestrator.schedules import CronSchedule

DeploymentSpec(
    flow_location="train.py",
    flow_name="main",
    name="monthly_training",
    schedule=CronSchedule(cron="0 9 15 * *", timezone="America/New_York"),
    flow_runner=SubprocessFlowRunner(),
    tags=["ml"],
    work_queue="ml",
    source="path",  # trips and models stand beside this file: its runs read and write them there
)
