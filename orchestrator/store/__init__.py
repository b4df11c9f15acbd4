"""What the control plane keeps in Redis: deployments, schedules, runs, logs, tasks. Agents use it too, flows never."""

from orchestrator.store.installation import Store
from orchestrator.store.run_logs import LogRecord
from orchestrator.store.tasks import TaskRecord

__all__ = ["LogRecord", "Store", "TaskRecord"]
