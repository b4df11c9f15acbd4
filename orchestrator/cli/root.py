"""The table of commands: where each stands, and the line that `headgate --help` prints for it."""

from orchestrator.cli.frame import LazyGroup

PARTS = {
    "start": ("orchestrator.cli.start:start", "Run everything on this machine: Redis, scheduler, one agent."),
    "deployment": ("orchestrator.cli.deployment:deployment", "Flows with their schedules, parameters and work queue."),
    "flow-run": ("orchestrator.cli.flow_run:flow_run", "Runs: list, follow, cancel, retry, explain."),
    "work-queue": ("queues.cli:work_queue", "Named queues on Redis, each with a concurrency limit."),
    "agent": ("agent.cli:agent", "The process that pulls runs and launches each in a subprocess."),
    "scheduler": ("orchestrator.cli.scheduler:scheduler", "The process that pushes due runs and frees lost ones."),
    "version": ("orchestrator.cli.version:version", "Versions, home folder and Redis of this installation."),
}

headgate = LazyGroup(
    "headgate",
    parts=PARTS,
    no_args_is_help=True,
    context_settings={"max_content_width": 110},
    help="Runs Python flows on a fleet of machines, from named work queues with concurrency limits.",
    epilog="Redis is found through HEADGATE_REDIS_URL; without it an embedded one under HEADGATE_HOME is used.",
)
