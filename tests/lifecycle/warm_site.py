"""A site whose deployments are warm: what a test deploys there is forked from a template from its first run on."""

from __future__ import annotations

import subprocess
from typing import Any

from queues.states import State
from tests.lifecycle.worksite import Site
from tests.support.waiting import wait_until

REHEARSAL = "from orchestrator import flow\n@flow\ndef {name}(**_):\n    pass\n"
COLD = ("path", "virtualenv")
"""Deployments with one of these changes can not run here: nothing is rehearsed."""


class WarmSite(Site):
    """Rehearses each deployment with a flow of its name that does nothing; its file gets the test's text afterwards."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._waiting: list[str] = []

    def deploy(self, text: str = "", *, name: str = "main", queue: str = "default", **changes: Any) -> str:
        """Deploy it warm."""
        made = super().deploy(text, name=name, queue=queue, **{"warm": True, **changes})
        if not any(changed in changes for changed in COLD):
            self._waiting.append(name)
            if self.keepers:
                self.rehearse()
        return made

    def agent(self, name: str = "a1", **options: Any) -> subprocess.Popen[bytes]:
        """Start an agent; once it is registered and warm, what was deployed can be submitted."""
        keeper = super().agent(name, **options)
        self.rehearse()
        return keeper

    def rehearse(self) -> None:
        """Have a template for each deployment that has none yet."""
        file = self.folder / "flows.py"
        for name in self._waiting:
            text = file.read_text()
            file.write_text(REHEARSAL.format(name=name))
            before = self.ready()
            (run_id,) = self.submit(name=name)
            self.until(run_id, State.COMPLETED)
            self.until_ready(before + 1)
            file.write_text(text)
        self._waiting.clear()

    def until_ready(self, count: int) -> None:
        """Wait until so many templates were ready."""
        wait_until(lambda: self.ready() >= count, 15, message=self.log_of_agents)

    def ready(self) -> int:
        """How many templates were ready so far."""
        return self.told_by_agents().count("template ready")

    def forked(self, run_id: str) -> bool:
        """Whether a run was forked."""

        def launched() -> list[str]:
            return [line for line in self.told_by_agents().splitlines() if "run launched" in line and run_id in line]

        return any("warm=True" in line for line in wait_until(launched))

    def told_by_agents(self) -> str:
        """All that the agents printed."""
        return "".join(log.read_text() for log in sorted(self.folder.glob("agent-*.log")))
