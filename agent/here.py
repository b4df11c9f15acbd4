"""Runs one flow in the foreground of a terminal, launched as an agent would, without Redis and without a record.

Duties:
1. Launch the flow's process, give it leave to run, and hand on every line as it comes.
2. SIGINT or SIGTERM: the run gets SIGTERM, and SIGKILL after a while or at the second signal. So does one that takes
   longer than its deployment allows; one that uses more than its limits allow is killed at once.
3. Kill whatever the run leaves behind; try again as often as its deployment says.
"""

import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from agent.families import Ended, Families
from agent.kernel import adopt_orphans, boot_time
from agent.leftovers import Mark
from agent.logs.pump import Pump
from agent.loop import Loop
from agent.measuring import use_of
from agent.options import host_name
from agent.orders import Order, Ref
from agent.placing import Place, placed
from agent.process_tree import kill_all
from agent.runners.environment import problem_of
from agent.runners.limits import Use, limit_met, limits_of, over, pause, reason
from agent.runners.outcome import Ending, Exit, Result, Rules, Verdict, delivery
from agent.runners.subprocess_runner import Launched, SubprocessRunner, start_frame
from agent.running import result_of
from agent.signals import END, Signals
from orchestrator.process.frames import frame
from orchestrator.runs import new_run_id, run_name
from orchestrator.store.run_logs import LogRecord
from queues.claims import Outcome
from queues.states import State

RECHECK_SECONDS = 0.01


def order_here(spec: Mapping[str, Any], own: Mapping[str, str], *, place: Place = lambda need: None) -> Order:
    """The order that an agent would get for a run of this spec, parameters and all; `own` is this environment.

    Its code is where the spec says; `place` brings what else it needs.
    """
    run_id = new_run_id()
    where = placed({**spec, "source": None}, place, own=own, room=None, host=host_name())
    order = Order(
        ref=Ref(run_id, 0, "here"),
        attempt=1,
        queue=str(spec["work_queue"]),
        lease_seconds=0.0,
        run_name=run_name(run_id),
        deployment=f"{spec['flow']}/{spec['name']}",
        code="here",
        path=where.path,
        function=str(spec["function"]),
        folder=where.folder,
        working_dir=where.working_dir,
        environment={str(name): str(value) for name, value in (spec.get("env") or {}).items()},
        interpreter=where.interpreter,
        needs=where.needs,
        missing=where.missing,
        parameters=dict(spec.get("parameters") or {}),
        tags=tuple(spec.get("tags") or ()),
        rules=Rules(
            retries=int(spec.get("retries") or 0),
            retry_delay_seconds=float(spec.get("retry_delay_seconds") or 0.0),
            timeout_seconds=spec.get("timeout_seconds"),
        ),
        limits=limits_of(spec),
    )
    return replace(order, problem=where.problem or problem_of(order, host_name()))


class Here:
    """One run on this terminal. `show` takes the lines as they come, `say` a sentence about the run."""

    def __init__(
        self,
        order: Order,
        *,
        show: Callable[[list[LogRecord]], None],
        say: Callable[[str], None],
        kill_seconds: float,
    ) -> None:
        self.order = order
        self.show = show
        self.say = say
        self.kill_seconds = kill_seconds
        self.interrupts = 0
        self._loop = Loop()
        self._signals = Signals()
        self._loop.watch(self._signals.fd, lambda _: self._hear())
        adopt_orphans()
        self._families = Families()
        self._runner = SubprocessRunner(Mark.of_this_process("here", "here"), os.environ, host=host_name(), limit=1)
        self._begin()

    def run(self) -> Outcome:
        """Run it to its end, every try it has; raises NotLaunched when it can not be started here."""
        while True:
            outcome = self._attempt()
            pause = outcome.retry_in_seconds
            if pause is None or self.interrupts:
                return outcome
            self.say(f"attempt {self.order.attempt} ended {outcome.state}: {outcome.reason}; next try in {pause:g} s")
            if not self._rest(pause):
                return outcome
            rules = replace(self.order.rules, failures=self.order.rules.failures + 1)
            self.order = replace(self.order, attempt=self.order.attempt + 1, rules=rules)

    def _begin(self) -> None:
        self._pump: Pump | None = None
        self._ended: Ended | None = None
        self._result: Result | None = None
        self._verdict: Verdict | None = None
        self._confirmed = False
        self._peak = Use()
        self._over: str | None = None

    def _attempt(self) -> Outcome:
        self._begin()
        launched = self._runner.launch(self.order)
        self._families.add(self.order.run_id, launched.pid, launched.brand)
        pump = self._pump = self._connect(launched)
        pump.send(start_frame(self.order))
        ended = self._wait_for_end()
        for name in ("time-out", "kill", "look"):
            self._loop.call_not(name)
        pump.drain()
        while left := self._families.left_of(self.order.run_id):
            kill_all(left)
            self._rest(RECHECK_SECONDS)
        self._families.forget(self.order.run_id)
        pump.close()
        os.close(launched.life)
        return self._outcome(ended, pump.last_words)

    def _wait_for_end(self) -> Ended:
        while True:
            self._loop.run_once()
            if self._ended is not None:
                return self._ended

    def _connect(self, launched: Launched) -> Pump:
        return Pump(
            self._loop,
            channel=launched.channel,
            outputs={1: launched.stdout, 2: launched.stderr},
            on_records=self.show,
            on_frame=self._take,
            on_broken=lambda: self._end(Verdict.FORGED),
        )

    def _take(self, kind: str, body: dict[str, Any]) -> None:
        if kind == "result":
            self._result = result_of(body)
        if kind != "hello" or self._pump is None:
            return
        self._confirmed = True
        self._pump.send(frame("go", {}))
        if (seconds := self.order.rules.timeout_seconds) is not None:
            self._loop.call_at(boot_time() + seconds, "time-out", lambda: self._end(Verdict.TIMED_OUT))
        if self.order.limits.are_watched:
            self._look()

    def _look(self) -> None:
        """Look what the run uses, as an agent does."""
        limits, began = self.order.limits, boot_time()
        use = use_of(self._families.processes_of(self.order.run_id), most_bytes=limits.memory_bytes)
        use = replace(use, cpu_seconds=use.cpu_seconds + self._families.spent(self.order.run_id).cpu_seconds)
        self._peak, self._over = self._peak.most(use), over(limits, use)
        if self._over is not None and self._result is None:
            self._end(Verdict.OVER_LIMIT)
            return
        self._over = None
        self._loop.call_at(boot_time() + pause(boot_time() - began), "look", self._look)

    def _end(self, verdict: Verdict) -> None:
        """End the run's processes: politely first, unless it has been asked before or speaks nonsense."""
        if self._verdict is not None or verdict.at_once:
            self._families.kill(self.order.run_id)
        else:
            self._families.terminate(self.order.run_id)
            kill_at = boot_time() + self.kill_seconds
            self._loop.call_at(kill_at, "kill", lambda: self._families.kill(self.order.run_id))
        self._verdict = self._verdict or verdict

    def _hear(self) -> None:
        calls: dict[int, Callable[[], object]] = {signal.SIGCHLD: self._reap}
        self._signals.deal(calls | dict.fromkeys(END, self._interrupt))

    def _interrupt(self) -> None:
        self.interrupts += 1
        self._end(Verdict.CANCELLED)

    def _reap(self) -> None:
        for ended in self._families.reap():
            self._ended = ended

    def _rest(self, seconds: float) -> bool:
        """Let the loop run for a while; false when that was interrupted."""
        over: list[bool] = []
        self._loop.call_at(boot_time() + seconds, "rest", lambda: over.append(True))
        seen = self.interrupts
        while not over and self.interrupts == seen:
            self._loop.run_once()
        self._loop.call_not("rest")
        return self.interrupts == seen

    def _outcome(self, ended: Ended, last_words: str) -> Outcome:
        code = os.waitstatus_to_exitcode(ended.status)
        exit = Exit(
            code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            max_rss_kb=ended.max_rss_kb,
            cpu_seconds=ended.cpu_seconds,
        )
        limits = self.order.limits
        name = self._over or limit_met(limits, exit, self._result)
        used = Use(memory_bytes=exit.max_rss_kb * 1024, cpu_seconds=exit.cpu_seconds)
        ending = Ending(
            over_limit="" if name is None else reason(name, limits, self._peak.most(used)),
            rules=self.order.rules,
            exit=exit,
            verdict=self._verdict,
            result=self._result,
            confirmed=self._confirmed,
            last_words=last_words,
        )
        said = delivery(ending)
        return said if isinstance(said, Outcome) else Outcome(state=State.CRASHED, reason="its process was lost")
