"""Faults of processes and of their connections: killed, ended, stopped; cut, slow, deaf."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from queues.states import HELD
from tests.chaos.gone import Living
from tests.chaos.links import KINDS, LASTING
from tests.chaos.nemesis import OPENING_SECONDS, Kind, Nemesis, Unsuitable
from tests.chaos.roles import LEASE, Role
from tests.chaos.world import BUNDLED, FAILURES, QUEUES, SHAPES, World

FREEZES = tuple(share * LEASE for share in (0.2, 0.5, 1.0, 2.0))
"""How long something is stopped: shorter than its lease, as long, longer."""

DOWN_SECONDS = (0.0, 0.3, 1.0, 3.0)
"""How long a machine stays down."""

MOST_SUPERVISOR_DEATHS = 2
"""Of one keeper: it waits twice as long before each new start, and here agents are to be at work."""

HALF_THE_AGENTS = 2
"""So many agents are left alone: with all of them down nothing happens that faults could meet."""

BOTH_SCHEDULERS = 0.05
"""How often a fault may hit the only scheduler that is at work."""

SETTLED_SECONDS = 0.7
UNDER_WAY_SECONDS = 0.05
"""In which what an agent has sent arrives, when nothing is struck yet."""

Told = tuple[str, dict[str, Any]]


class ProcessFaults:
    """What can happen to agents, schedulers, flows and connections."""

    def __init__(self, world: World, nemesis: Nemesis, living: Living) -> None:
        self._world, self._nemesis, self._living = world, nemesis, living
        self._random = nemesis.random
        nemesis.after_cut.append(lambda: nemesis.later(1.0, self._resume_all))
        self._cut: set[str] = set()
        """The agents whose network is cut."""

    def kinds(self) -> list[Kind]:
        """All of them."""
        assert self._world.proxy is not None
        kills: list[tuple[str, int, Callable[[], Told]]] = [
            ("kill agent (keeper and supervisor)", 8, self._kill_agent),
            ("kill keeper", 6, self._kill_keeper),
            ("kill supervisor", 8, self._kill_supervisor),
            ("kill flow", 34, self._kill_flow),
            ("kill scheduler", 5, self._kill_scheduler),
        ]
        others: list[tuple[str, int, Callable[[], Told]]] = [
            ("end agent (SIGTERM)", 4, self._end_agent),
            ("end scheduler (SIGTERM)", 2, self._end_scheduler),
            ("freeze supervisor", 4, lambda: self._freeze_agent("supervisor")),
            ("freeze keeper", 2, lambda: self._freeze_agent("keeper")),
            ("freeze agent (both)", 3, lambda: self._freeze_agent("both")),
            ("freeze flow", 4, self._freeze_flow),
            ("freeze scheduler", 3, self._freeze_scheduler),
            ("limit changed", 4, self._change_limit),
            ("queue paused", 2, self._pause),
            ("deployed anew", 3, self._deploy_anew),
        ]
        if self._world.namespaces:
            others.append(("cut off by the network", 3, self._cut_off))
        made = [Kind(name=name, weight=weight, strike=strike, kills=True) for name, weight, strike in kills]
        made += [Kind(name=name, weight=weight, strike=strike) for name, weight, strike in others]
        return made + [
            Kind(name=kind, weight=3, strike=lambda kind=kind: self._strike_connections(kind)) for kind in KINDS
        ]

    def opening(self) -> list[Kind]:
        """An agent with runs dies and stays away for longer than its leases."""
        return [Kind(name="kill agent (keeper and supervisor)", weight=1, strike=self._kill_busy_agent, kills=True)]

    # ---------------------------------------------------------------- agents
    def _agent(self) -> Role:
        return self._random.choice(self._at_work("agent", HALF_THE_AGENTS))

    def _at_work(self, kind: str, spare: int) -> list[Role]:
        """Roles that have been at work for a moment; Unsuitable when not so many others would be left."""
        fit = [role for role in self._world.of(kind) if role.is_up and not role.frozen and role.age() > SETTLED_SECONDS]
        if kind == "agent":
            fit = [role for role in fit if role.supervisor()]
        if len(fit) <= spare:
            raise Unsuitable
        return fit

    def _told(self, role: Role, **more: Any) -> Told:
        self._world.scene.update()
        held = self._world.scene.held_by(role.name)
        return self._state(role), {"agent": role.name, "runs": len(held), "held": sorted(held), **more}

    def _state(self, role: Role) -> str:
        if role.kind == "agent":
            return "ending" if not role.wanted else self._world.scene.state_of(role.name)
        return role.standing()

    def _down(self, role: Role) -> float:
        seconds = self._random.choice(DOWN_SECONDS)
        self._world.down(role, seconds)
        return seconds

    def _kill_busy_agent(self) -> Told:
        role = self._agent()
        pids = [role.pid, role.supervisor() or role.pid]
        role.send(signal.SIGSTOP, *pids)
        threading.Event().wait(UNDER_WAY_SECONDS)
        if not self._world.store.presence.held(role.name):
            # What it held was being given back, or had just ended.
            role.send(signal.SIGCONT, *pids)
            raise Unsuitable
        self._world.down(role, OPENING_SECONDS)
        return self._kill_both(role, OPENING_SECONDS)

    def _kill_agent(self) -> Told:
        role = self._agent()
        return self._kill_both(role, self._down(role))

    def _kill_both(self, role: Role, down: float) -> Told:
        told = self._told(role, down=down)
        pids = [role.pid, role.supervisor() or role.pid]
        role.send(signal.SIGSTOP, *pids)  # else the one that is killed last may still clear up after the first
        role.send(signal.SIGKILL, *pids)
        return told

    def _kill_keeper(self) -> Told:
        role = self._agent()
        told = self._told(role, down=self._down(role))
        role.send(signal.SIGKILL, role.pid)
        return told

    def _kill_supervisor(self) -> Told:
        role = self._agent()
        if role.supervisor_deaths >= MOST_SUPERVISOR_DEATHS:
            raise Unsuitable
        told = self._told(role)
        role.supervisor_deaths += 1
        role.began = time.monotonic() + role.supervisor_deaths  # when its keeper starts the next one
        role.send(signal.SIGKILL, role.supervisor() or role.pid)
        return told

    def _end_agent(self) -> Told:
        role = self._agent()
        twice = self._random.random() < 0.3
        told = self._told(role, twice=twice, down=self._down(role))
        role.send(signal.SIGTERM, role.pid)
        if twice:
            self._nemesis.later(self._random.uniform(0.05, 0.8), lambda: role.is_up and role.send(15, role.pid))
        return told

    def _freeze_agent(self, which: str) -> Told:
        role = self._agent()
        supervisor = role.supervisor()
        if supervisor is None:
            raise Unsuitable
        pids = {"keeper": [role.pid], "supervisor": [supervisor], "both": [role.pid, supervisor]}[which]
        return self._freeze(role, pids)

    def _freeze(self, role: Role, pids: list[int]) -> Told:
        seconds = self._random.choice(FREEZES)
        told = self._told(role, seconds=seconds)
        role.frozen.update(pids)
        role.send(signal.SIGSTOP, *pids)
        self._nemesis.later(seconds, role.thaw)
        return told

    # ---------------------------------------------------------------- flows
    def _flow(self) -> tuple[str, int, str]:
        self._world.scene.update()
        there = [(run, pid) for run, pid in self._living.now() if run in self._world.scene.runs]
        if not there:
            raise Unsuitable
        run, pid = self._random.choice(there)
        seen = self._world.scene.runs[run]
        again = " again" if seen.attempt > 1 and seen.state in HELD else ""
        return run, pid, f"{seen.state.lower()}{again}"

    def _kill_flow(self) -> Told:
        run, pid, state = self._flow()
        if not signal_flow(pid, signal.SIGKILL):
            raise Unsuitable
        return state, {"run": run, "pid": pid}

    def _freeze_flow(self) -> Told:
        run, pid, state = self._flow()
        seconds = self._random.choice(FREEZES)
        signal_flow(pid, signal.SIGSTOP)
        self._nemesis.later(seconds, lambda: self._living.has(pid) and signal_flow(pid, signal.SIGCONT))
        return state, {"run": run, "pid": pid, "seconds": seconds}

    # ---------------------------------------------------------------- schedulers
    def _scheduler(self) -> Role:
        return self._random.choice(self._at_work("scheduler", 0 if self._random.random() < BOTH_SCHEDULERS else 1))

    def _kill_scheduler(self) -> Told:
        role = self._scheduler()
        told = self._told(role, down=self._down(role))
        role.send(signal.SIGKILL, role.pid)
        return told

    def _end_scheduler(self) -> Told:
        role = self._scheduler()
        told = self._told(role, down=self._down(role))
        role.send(signal.SIGTERM, role.pid)
        return told

    def _freeze_scheduler(self) -> Told:
        role = self._scheduler()
        return self._freeze(role, [role.pid])

    # ---------------------------------------------------------------- connections
    def _strike_connections(self, kind: str) -> Told:
        proxy = self._world.proxy
        assert proxy is not None
        name = self._random.choice([*self._world.roles, *[role.name for role in self._world.of("agent")], "client"])
        role = self._world.roles.get(name)
        seconds = self._random.choice(FREEZES) if kind in LASTING else 0.0
        state = self._state(role) if role and role.is_up else "down" if role else "client"
        links = proxy.strike(name, kind, seconds)
        if not links:
            raise Unsuitable
        return state, {"agent": name, "links": links, "seconds": seconds}

    def _cut_off(self) -> Told:
        name, namespace = self._random.choice(list(self._world.namespaces.items()))
        role = self._world.roles[name]
        if name in self._cut or not role.is_up:
            raise Unsuitable
        seconds = self._random.choice(FREEZES)
        told = self._told(role, seconds=seconds)
        namespace.cut()
        self._cut.add(name)

        def heal() -> None:
            namespace.heal()
            self._cut.discard(name)

        self._nemesis.later(seconds, heal)
        return told

    # ---------------------------------------------------------------- what operators do meanwhile
    def _change_limit(self) -> Told:
        limit, usual = self._random.choice(list(self._world.limits().items()))
        number = self._random.choice((usual, usual + 3, max(1, usual // 2)))
        state = "lowered" if number < usual else "raised"
        self._operate(lambda: self._world.store.limits.set(limit, number, "nemesis"))
        return state, {"limit": limit, "number": number}

    def _deploy_anew(self) -> Told:
        name = self._random.choice(BUNDLED)
        self._operate(lambda: self._world.deploy(name))
        return self._use_of(str(SHAPES[name]["work_queue"])), {"deployment": name}

    def _pause(self) -> Told:
        queue = self._random.choice(list(QUEUES))
        self._operate(lambda: self._world.store.queues.pause(queue, "nemesis"))
        self._nemesis.later(self._random.uniform(0.3, 1.5), lambda: self._resume(queue))
        return self._use_of(queue), {"queue": queue}

    def _use_of(self, queue: str) -> str:
        return "in use" if any(seen.queue == queue for seen in self._world.scene.runs.values()) else "empty"

    def _resume(self, queue: str) -> None:
        try:
            self._world.store.queues.resume(queue, "nemesis")
        except FAILURES:
            self._nemesis.later(0.5, lambda: self._resume(queue))

    def _resume_all(self) -> None:
        """A resume may have been lost with the tail."""
        for queue in QUEUES:
            self._resume(queue)

    def _operate(self, call: Callable[[], object]) -> None:
        if self._nemesis.redis_busy:
            raise Unsuitable
        try:
            call()
        except FAILURES as error:
            raise Unsuitable from error


def signal_flow(pid: int, number: int) -> bool:
    """Send a signal to the first process of an attempt; whether it was still there."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True
