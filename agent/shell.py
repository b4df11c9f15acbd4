"""Performs what `agent.supervision` decides and tells it what happens: the one place where decisions meet the world."""

import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from agent import events
from agent.actions import (
    Action,
    AskForRuns,
    ClearTimer,
    ClearTree,
    Confirm,
    Deliver,
    Forget,
    KillTree,
    Launch,
    Leave,
    LetGo,
    Measure,
    Note,
    Prepare,
    Register,
    Renew,
    SetDeadMan,
    SetTimer,
    ShipLogs,
    StopPreparing,
    TellToStop,
    Terminate,
    Tidy,
)
from agent.calls import Calls
from agent.families import Ended, Families
from agent.kernel import DeadManTimer, boot_time
from agent.launching import WARNING, Launching
from agent.logs.backlog import Progress
from agent.logs.outbox import Outbox
from agent.logs.spool import Spool
from agent.loop import Loop, Mailbox
from agent.measuring import own_peak, use_of
from agent.messages import EndLevel, Exited, LogsShipped, Measured, Message, TimerDue, TreeGone
from agent.needs import Providers
from agent.renewals import Renewals
from agent.runners.memory import OomCounter
from agent.runners.outcome import Exit
from agent.runners.run_groups import RunGroups
from agent.runners.subprocess_runner import SubprocessRunner
from agent.running import Running
from agent.supervision import Supervision
from agent.workrooms import Workrooms
from agent.workshop import Workshop
from orchestrator.store.run_logs import AGENT, LogRecord
from queues.claims import Outcome

RECHECK_SECONDS = 0.01
"""How often a tree that is being killed is looked at."""


@dataclass(frozen=True, kw_only=True)
class Hands:
    """What the shell works with."""

    loop: Loop
    mailbox: Mailbox
    supervision: Supervision
    runner: SubprocessRunner
    calls: Calls
    renewals: Renewals
    spool: Spool
    dead_man: DeadManTimer
    groups: RunGroups
    providers: Providers
    workrooms: Workrooms
    options: Mapping[str, Any]
    """What a process that prepares something is told about this agent."""


class Shell:
    """One supervisor's hands and ears."""

    def __init__(self, hands: Hands) -> None:
        self.hands = hands
        self.left = False
        self._level = EndLevel.SERVING
        self._messages: deque[Message] = deque()
        self._running: dict[str, Running] = {}
        self._clearing: dict[str, float] = {}
        self._families = Families()
        self._workshop = Workshop(hands.loop, hands.runner, self._families, options=hands.options, tell=self.tell)
        self._oom = OomCounter()
        self.outbox = Outbox(
            hands.loop,
            put=hands.spool.spooling.put,
            on_shipped=lambda run_id: self.tell(LogsShipped(run_id)),
            on_full=self._read_or_not,
        )
        self._launching = Launching(
            hands.loop,
            hands.runner,
            self._families,
            groups=hands.groups,
            outbox=self.outbox,
            begun=self._begun,
            tell=self.tell,
        )
        hands.loop.watch(hands.mailbox.fd, lambda _: self._collect())

    def start(self) -> None:
        """Take the first actions."""
        self._perform_all(self.hands.supervision.start(boot_time()))

    def tell(self, message: Message) -> None:
        """Let the supervision hear of something, after what it heard of before."""
        self._messages.append(message)

    def deal(self) -> None:
        """Step the supervision with everything that was told, and perform what it decides."""
        while self._messages:
            message = self._messages.popleft()
            self._perform_all(self.hands.supervision.step(boot_time(), message))
        self._announce(self.hands.supervision.level)

    def reap(self) -> None:
        """Deal with children that have ended."""
        for ended in self._families.reap():
            self._on_ended(ended)
        for run_id in list(self._clearing):
            self._look_at_tree(run_id)

    def _announce(self, level: EndLevel) -> None:
        if level is self._level:
            return
        self._level = level
        say = events.draining if level is EndLevel.DRAIN else events.stopping
        say(runs=len(self._running))
        self._launching.nursery.stop()

    def _collect(self) -> None:
        for message in self.hands.mailbox.collect():
            if isinstance(message, Progress):
                self.outbox.hear(message)
            else:
                self.tell(message)

    def _perform_all(self, actions: list[Action]) -> None:
        for action in actions:
            self._perform(action)

    def _perform(self, action: Action) -> None:
        match action:
            case Deliver():
                self.hands.calls.put(self._with_last_line(action))
            case AskForRuns() | Confirm() | Register():
                self.hands.calls.put(action)
            case Renew():
                self.hands.renewals.put(action)
            case SetTimer(key=key, at=at):
                self.hands.loop.call_at(at, key, lambda: self.tell(TimerDue(key)))
            case ClearTimer(key=key):
                self.hands.loop.call_not(key)
            case SetDeadMan(at=None):
                self.hands.dead_man.disarm()
            case SetDeadMan(at=float(at)):
                self.hands.dead_man.set(at)
            case Launch(order=order):
                self._launching.launch(order)
            case Prepare(need=need):
                self._workshop.start(need)
            case StopPreparing():
                self._workshop.stop()
            case Tidy(used=used):
                self.hands.workrooms.call(lambda: self.hands.providers.unpin_all_but(used))
            case Leave():
                self.left = True
            case _:
                self._perform_on_run(action)

    def _perform_on_run(self, action: Any) -> None:
        run_id: str = action.run_id
        # What is to be done to a run needs a process that it can be done to.
        self._launching.nursery.give_up(run_id)
        running = self._running.get(run_id)
        if running is None:
            return
        match action:
            case LetGo():
                running.send("go", {})
            case TellToStop(reason=reason):
                running.send("stop", {"reason": reason})
            case Terminate():
                self._families.terminate(run_id)
            case KillTree():
                self._families.kill(run_id)
            case ClearTree(grace=grace):
                self._clearing[run_id] = boot_time() + grace
                self._look_at_tree(run_id)
            case Measure():
                self._measure(running)
            case Note(text=text):
                at = int(time.time() * 1_000_000)
                self.outbox.add(running.log, [LogRecord(at, AGENT, WARNING, text)])
            case ShipLogs():
                self.outbox.hurry(running.log)
            case Forget():
                del self._running[run_id]
                self._launching.nursery.forget(run_id)
                os.close(running.life)
                self.outbox.close(running.log)
                if running.order.links is not None:
                    self.hands.workrooms.remove(running.order.working_dir)

    def _measure(self, running: Running) -> None:
        order, began = running.order, boot_time()
        pids = self._families.processes_of(order.run_id)
        use = use_of(pids, most_bytes=order.limits.memory_bytes)
        ended = self._families.spent(order.run_id).cpu_seconds
        use = replace(use, cpu_seconds=use.cpu_seconds + ended)
        self.tell(Measured(order.run_id, use, boot_time() - began))

    def _with_last_line(self, deliver: Deliver) -> Deliver:
        """An end that says how many lines the run wrote: a reader knows when it has seen all of them."""
        running, said = self._running.get(deliver.ref.run_id), deliver.delivery
        if running is None or not isinstance(said, Outcome):
            return deliver
        last = f"{running.log.attempt}-{running.log.last_number}"
        return replace(deliver, delivery=replace(said, fields={**said.fields, "last_line": last}))

    def _begun(self, running: Running) -> None:
        self._running[running.order.run_id] = running

    def _on_ended(self, ended: Ended) -> None:
        if self._workshop.heard_end(ended) or self._launching.nursery.heard_end(ended):
            return
        running = self._running[ended.run_id]
        # What it said last comes before that it is gone.
        running.pump.drain()
        code = os.waitstatus_to_exitcode(ended.status)
        exit = Exit(
            code=code if code >= 0 else None,
            signal=-code if code < 0 else None,
            max_rss_kb=own_peak(ended.max_rss_kb, running.peak_kb),
            cpu_seconds=ended.cpu_seconds,
            oom_kills=(self._oom.new_kills() + self.hands.groups.oom_kills(ended.run_id)) if code == -9 else 0,
        )
        self.tell(Exited(ended.run_id, exit, running.pump.last_words))

    def _look_at_tree(self, run_id: str) -> None:
        """Wait for what is left of a run, kill it when its grace is over, go on when nothing is left."""
        name = ("tree", run_id)
        if self._families.is_empty(run_id):
            del self._clearing[run_id]
            self.hands.loop.call_not(name)
            spent = self._families.spent(run_id)
            self._families.forget(run_id)
            self._running[run_id].pump.close()
            peak_kb = max(spent.max_rss_kb, self.hands.groups.peak_kb(run_id))
            self.hands.groups.end(run_id)
            self.tell(TreeGone(run_id, spent.cpu_seconds, peak_kb))
            return
        now, deadline = boot_time(), self._clearing[run_id]
        if now >= deadline:
            self._families.kill(run_id)
        again = now + RECHECK_SECONDS if now >= deadline else min(deadline, now + 5 * RECHECK_SECONDS)
        self.hands.loop.call_at(again, name, lambda: self._look_at_tree(run_id))

    def _read_or_not(self, full: bool) -> None:
        for running in self._running.values():
            running.pump.pause(full)
