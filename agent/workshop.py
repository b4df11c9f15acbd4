"""The loop's side of preparations: starts the process of each, hears what it does, ends it with all it has started."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agent import events
from agent.errors import NotLaunched
from agent.families import Ended, Families
from agent.kernel import boot_time
from agent.logs.pump import Pump
from agent.loop import Loop
from agent.messages import Fault, Message, Prepared, Progressed
from agent.needs import Need
from agent.runners.subprocess_runner import Launched, SubprocessRunner
from orchestrator.process.frames import frame

RECHECK_SECONDS = 0.01


@dataclass(kw_only=True)
class Job:
    """One preparation that has a process."""

    need: Need
    began_at: float
    life: int
    pump: Pump
    result: Prepared | None = None


class Workshop:
    """The preparations of one supervisor; `options` is what their processes are told about the agent."""

    def __init__(
        self,
        loop: Loop,
        runner: SubprocessRunner,
        families: Families,
        *,
        options: Mapping[str, Any],
        tell: Callable[[Message], None],
    ) -> None:
        self._loop = loop
        self._runner = runner
        self._families = families
        self._options = dict(options)
        self._tell = tell
        self._jobs: dict[str, Job] = {}

    def start(self, need: Need) -> None:
        """Start preparing; Progressed and Prepared are told."""
        name = f"prepare {need.key}"
        try:
            launched = self._runner.launch_preparing(name)
        except NotLaunched as error:
            self._tell(Prepared(need.key, Fault.MACHINE, str(error)))
            return
        self._families.add(name, launched.pid, launched.brand)
        pump = self._connect(name, launched)
        self._jobs[name] = Job(need=need, began_at=boot_time(), life=launched.life, pump=pump)
        events.preparing(what=need.key, pid=launched.pid)

    def stop(self) -> None:
        """End all of them at once."""
        for name in self._jobs:
            self._families.kill(name)

    def heard_end(self, ended: Ended) -> bool:
        """Deal with a process that has ended, if it was one of a preparation."""
        job = self._jobs.get(ended.run_id)
        if job is None:
            return False
        job.pump.drain()
        if job.result is None:
            code = os.waitstatus_to_exitcode(ended.status)
            how = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
            words = f": {job.pump.last_words}" if job.pump.last_words else ""
            job.result = Prepared(job.need.key, Fault.PASSING, f"its process {how}{words}")
        self._clear(ended.run_id, job)
        return True

    def _connect(self, name: str, launched: Launched) -> Pump:
        return Pump(
            self._loop,
            channel=launched.channel,
            outputs={1: launched.stdout, 2: launched.stderr},
            on_records=lambda records: None,
            on_frame=lambda kind, body: self._hear(name, kind, body),
            on_broken=lambda: self._families.kill(name),
        )

    def _hear(self, name: str, kind: str, body: dict[str, Any]) -> None:
        job = self._jobs[name]
        if kind == "hello":
            told: dict[str, object] = {"options": self._options, "kind": job.need.kind, "fields": job.need.to_dict()}
            job.pump.send(frame("prepare", told))
        elif kind == "progress":
            self._tell(Progressed(job.need.key, str(body["what"])))
        elif kind == "prepared":
            fault = None if body["fault"] is None else Fault[str(body["fault"])]
            job.result = Prepared(job.need.key, fault, str(body["reason"]))

    def _clear(self, name: str, job: Job) -> None:
        """Go on when nothing is left of what it started."""
        if not self._families.is_empty(name):
            self._families.kill(name)
            again = boot_time() + RECHECK_SECONDS
            self._loop.call_at(again, ("workshop", name), lambda: self._clear(name, job))
            return
        del self._jobs[name]
        self._families.forget(name)
        job.pump.close()
        os.close(job.life)
        assert job.result is not None, "it is set when the process ends"
        events.prepared(what=job.need.key, seconds=round(boot_time() - job.began_at, 3), failed=job.result.reason)
        self._tell(job.result)
