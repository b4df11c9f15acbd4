"""The loop's side of templates: starts their processes, orders forks, hears of births, ends them with all they hold.

`agent.templates` decides. Nothing here waits: a run whose fork has not said hello within BIRTH_SECONDS, whose template
has ended, or that is to be ended meanwhile, gets a cold process instead. It cannot run twice: a fork runs nothing of
the user before it gets the order and leave over its own socket, which is closed by then.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agent import events
from agent.errors import NotLaunched
from agent.families import Ended, Families
from agent.kernel import boot_time
from agent.logs.pump import Pump
from agent.loop import Loop
from agent.measuring import memory_bytes, use_of
from agent.orders import Order
from agent.runners.subprocess_runner import SOCKET, Launched, close_all
from agent.runners.warm_runner import Template, WarmRunner
from agent.templates import LOOK_SECONDS, Choice, Key, Plan, Templates
from orchestrator.process.frames import frame

BIRTH_SECONDS = 2.0
PRELOAD_SECONDS = 120.0
RECHECK_SECONDS = 0.01
MOST_NAMES, LONGEST_NAME = 5000, 256
MEMORY_PART = 4
"""Templates may take one part in so many of the machine's memory."""


@dataclass(kw_only=True)
class Birth:
    """A run that waits for its fork."""

    order: Order
    ours: dict[int, int]
    born: Callable[[Launched], None]
    unborn: Callable[[], None]


@dataclass(kw_only=True)
class Cradle:
    """A template that has a process."""

    number: int
    deployment: str
    template: Template
    pump: Pump
    began_at: float
    why: str = ""
    """Why it is being ended by us; empty while it is not."""
    births: dict[str, Birth] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Under which its processes are known."""
        return f"template {self.number}"


class Nursery:
    """The templates of one supervisor; `refused` is told a deployment and why its runs start cold, once each time."""

    def __init__(
        self, loop: Loop, runner: WarmRunner, families: Families, *, refused: Callable[[str, str], None]
    ) -> None:
        self._loop = loop
        self._runner = runner
        self._families = families
        self._refused = refused
        self._templates = Templates(memory_bytes() // MEMORY_PART)
        self._cradles: dict[int, Cradle] = {}
        self._learning: dict[str, tuple[Order, Key]] = {}
        self._stopped = False

    def take(self, order: Order, born: Callable[[Launched], None], unborn: Callable[[], None]) -> bool:
        """Have a run forked: one of the two is called later. False when it has to start cold now."""
        if not order.warm or order.problem is not None or self._stopped:
            return False
        key = self._runner.key(order)
        choice = self._templates.take(boot_time(), order.deployment, key)
        if choice.learn:
            self._learning[order.run_id] = order, key
        self._follow(order, choice)
        cradle = None if choice.template is None else self._cradles.get(choice.template)
        if cradle is None or cradle.why:
            return False
        ours = self._runner.send(cradle.template, order)
        if ours is None:
            return False
        run_id, number = order.run_id, cradle.number
        cradle.births[run_id] = Birth(order=order, ours=ours, born=born, unborn=unborn)
        self._loop.watch(ours[SOCKET], lambda _: self._greeted(number, run_id))
        self._loop.call_at(boot_time() + BIRTH_SECONDS, ("birth", run_id), lambda: self._too_late(number, run_id))
        return True

    def is_learning(self, run_id: str) -> bool:
        """Whether a cold run is to tell what it imports."""
        return run_id in self._learning

    def hear_modules(self, run_id: str, names: Any) -> None:
        """A run told what it had imported; raises TypeError for what is no list of names."""
        taught = self._learning.pop(run_id, None)
        if taught is None or self._stopped:
            return
        order, key = taught
        good = [str(name) for name in names if all(part.isidentifier() for part in str(name).split("."))]
        checked = tuple(name for name in good if len(name) <= LONGEST_NAME)[:MOST_NAMES]
        self._follow(order, self._templates.learned(boot_time(), order.deployment, key, checked))

    def forget(self, run_id: str) -> None:
        """A run is over."""
        self._learning.pop(run_id, None)

    def give_up(self, run_id: str) -> None:
        """A run that still waits for its fork gets a cold process now, which can be told and killed."""
        for cradle in list(self._cradles.values()):
            if run_id in cradle.births:
                self._miscarry(cradle, run_id)

    def stop(self) -> None:
        """Fork nothing more; templates without a birth under way end now, the others right after it."""
        self._stopped = True
        for cradle in list(self._cradles.values()):
            self._drop(cradle.number, "the agent ends")

    def heard_end(self, ended: Ended) -> bool:
        """Deal with a process that has ended, if it was a template's."""
        cradle = next((each for each in self._cradles.values() if each.name == ended.run_id), None)
        if cradle is None:
            return False
        cradle.pump.drain()
        code = os.waitstatus_to_exitcode(ended.status)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        words = f": {cradle.pump.last_words}" if cradle.pump.last_words else ""
        reason = cradle.why or f"its template {how}{words}"
        choice = self._templates.gone(boot_time(), cradle.number, reason, dropped=bool(cradle.why))
        events.template_ended(deployment=cradle.deployment, number=cradle.number, reason=reason)
        for run_id in list(cradle.births):
            self._miscarry(cradle, run_id)
        self._clear(cradle)
        if choice.refused:
            self._refuse(cradle.deployment, choice.refused)
        return True

    # ---------------------------------------------------------------- births
    def _greeted(self, number: int, run_id: str) -> None:
        cradle = self._cradles[number]
        birth = cradle.births[run_id]
        launched = self._runner.accept(cradle.template, birth.ours, birth.order)
        if launched is None:
            self._miscarry(cradle, run_id)
            return
        self._unwatch(cradle, run_id)
        birth.born(launched)
        self._end_if_done(cradle)

    def _miscarry(self, cradle: Cradle, run_id: str) -> None:
        birth = self._unwatch(cradle, run_id)
        # Whatever is on the other ends has no leave to run anything, and ends by this.
        close_all(birth.ours)
        birth.unborn()
        self._end_if_done(cradle)

    def _unwatch(self, cradle: Cradle, run_id: str) -> Birth:
        birth = cradle.births.pop(run_id)
        self._loop.unwatch(birth.ours[SOCKET])
        self._loop.call_not(("birth", run_id))
        return birth

    def _too_late(self, number: int, run_id: str) -> None:
        cradle = self._cradles[number]
        self._drop(number, f"it has not forked within {BIRTH_SECONDS:g} s", at_once=True)
        self._miscarry(cradle, run_id)

    # ---------------------------------------------------------------- templates
    def _follow(self, order: Order, choice: Choice) -> None:
        for number in choice.drop:
            self._drop(number, "another one takes its place")
        if choice.refused:
            self._refuse(order.deployment, choice.refused)
        if choice.begin is not None and not self._stopped:
            self._begin(order, choice.begin)

    def _begin(self, order: Order, plan: Plan) -> None:
        try:
            template = self._runner.start(order)
        except NotLaunched as error:
            reason = self._templates.gone(boot_time(), plan.number, str(error)).refused
            self._refuse(plan.deployment, reason)
            return
        launched = template.launched
        pump = Pump(
            self._loop,
            channel=launched.channel,
            outputs={1: launched.stdout, 2: launched.stderr},
            on_records=lambda records: None,
            on_frame=lambda kind, body: self._hear(order, plan, kind, body),
            on_broken=lambda: self._drop(plan.number, "it broke the wire protocol", at_once=True),
        )
        cradle = Cradle(
            number=plan.number, deployment=plan.deployment, template=template, pump=pump, began_at=boot_time()
        )
        self._cradles[plan.number] = cradle
        self._families.add(cradle.name, launched.pid, launched.brand, lasting=True)
        self._loop.call_at(
            boot_time() + PRELOAD_SECONDS,
            ("preload", plan.number),
            lambda: self._drop(plan.number, f"its imports took longer than {PRELOAD_SECONDS:g} s", fault=True),
        )

    def _hear(self, order: Order, plan: Plan, kind: str, body: dict[str, Any]) -> None:
        cradle = self._cradles[plan.number]
        if kind == "hello":
            told: dict[str, object] = {"names": list(plan.names), "left_out": list(plan.left_out)}
            cradle.pump.send(frame("preload", told))
        elif kind == "ready":
            self._ready(order, cradle)
        elif kind == "unfit":
            package, reason = str(body["package"])[:LONGEST_NAME], str(body["reason"])[:LONGEST_NAME]
            cradle.why = f"{package} {reason}"
            events.left_out(deployment=plan.deployment, package=package, reason=reason)
            self._follow(order, self._templates.unfit(boot_time(), plan.number, package, reason))
        elif kind == "stale":
            self._drop(plan.number, "what is installed for it has changed")
            self.give_up(str(body["run_id"]))
        elif kind == "refused":
            self.give_up(str(body["run_id"]))

    def _ready(self, order: Order, cradle: Cradle) -> None:
        self._loop.call_not(("preload", cradle.number))
        size = use_of([cradle.template.launched.pid]).memory_bytes
        self._follow(order, self._templates.ready(boot_time(), cradle.number, size))
        if not cradle.why:
            took = round(boot_time() - cradle.began_at, 3)
            events.template_ready(
                deployment=cradle.deployment, number=cradle.number, seconds=took, mebibytes=size >> 20
            )
            self._loop.call_at(boot_time() + LOOK_SECONDS, "templates", self._look)

    def _look(self) -> None:
        """Look what templates take and whether they are used."""
        live = {number: cradle for number, cradle in self._cradles.items() if not cradle.why}
        sizes = {number: use_of([cradle.template.launched.pid]).memory_bytes for number, cradle in live.items()}
        for number in self._templates.look(boot_time(), sizes):
            self._drop(number, "it is idle, or has grown")
        if live:
            self._loop.call_at(boot_time() + LOOK_SECONDS, "templates", self._look)

    def _drop(self, number: int, why: str, *, at_once: bool = False, fault: bool = False) -> None:
        """End a template, after the births that are under way, or at once."""
        cradle = self._cradles.get(number)
        if cradle is None or cradle.why:
            return
        cradle.why = why
        choice = self._templates.gone(boot_time(), number, why, dropped=not (fault or at_once))
        if choice.refused:
            self._refuse(cradle.deployment, choice.refused)
        if at_once or fault or not cradle.births:
            self._families.kill(cradle.name)

    def _end_if_done(self, cradle: Cradle) -> None:
        if cradle.why and not cradle.births and cradle.number in self._cradles:
            self._families.kill(cradle.name)

    def _clear(self, cradle: Cradle) -> None:
        """Go on when nothing is left of it: half-born forks are its processes."""
        if not self._families.is_empty(cradle.name):
            self._families.kill(cradle.name)
            again = boot_time() + RECHECK_SECONDS
            self._loop.call_at(again, ("template", cradle.number), lambda: self._clear(cradle))
            return
        del self._cradles[cradle.number]
        self._families.forget(cradle.name)
        self._loop.call_not(("preload", cradle.number))
        cradle.pump.close()
        cradle.template.orders.close()
        os.close(cradle.template.launched.life)

    def _refuse(self, deployment: str, reason: str) -> None:
        events.not_warm(deployment=deployment, reason=reason)
        self._refused(deployment, reason)
