"""Wrong decisions on purpose, each of which the simulation must notice: what it can not catch it has not proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

from agent import lease_clock
from agent.claiming import Claiming
from agent.lease_clock import LeaseClock
from agent.messages import Confirmed, Renewed
from agent.run_life import Phase, RunLife
from agent.runners.outcome import Verdict
from agent.supervision import Supervision
from tests.chaos.model import Model
from tests.chaos.simulation_agent import Agent


@contextmanager
def changed(owner: Any, name: str, make: Callable[[Any], Any]) -> Iterator[None]:
    """Let something be made anew from what it was."""
    with patch.object(owner, name, make(getattr(owner, name))):
        yield


def no_kill_before_the_lease_ends() -> Any:
    """Nobody kills runs whose lease is about to end."""
    return changed(lease_clock, "kill_at", lambda _: lambda run: run.lease_from + 1e6)


def no_timer_of_the_kernel() -> Any:
    """A frozen supervisor is killed by nobody."""
    return changed(Agent, "dead_man", lambda _: lambda self, life: None)


def lease_from_the_answer() -> Any:
    """A lease counts from when its renewal was answered, not from when it was sent."""

    def make(step: Any) -> Any:
        def wrong(self: Supervision, now: float, message: Any) -> Any:
            return step(self, now, replace(message, sent_at=now) if isinstance(message, Renewed) else message)

        return wrong

    return changed(Supervision, "step", make)


def confirm_ignored() -> Any:
    """User code runs whatever Redis answers to the confirm."""

    def make(on: Any) -> Any:
        def wrong(self: RunLife, now: float, message: Any) -> Any:
            return on(self, now, replace(message, answer="ok") if isinstance(message, Confirmed) else message)

        return wrong

    return changed(RunLife, "on", make)


def cut_is_away() -> Any:
    """An agent that is cut off believes that nobody can claim."""

    def make(failed: Any) -> Any:
        return lambda self, sent_at, *, away, runs: failed(self, sent_at, away=True, runs=runs)

    return changed(LeaseClock, "failed", make)


def all_of_the_agent_renewed() -> Any:
    """Redis extends every run of an agent, and not only those that it lists."""

    def make(renew: Any) -> Any:
        def wrong(self: Model, agent: str, held: Any, instance: str = "") -> Any:
            for run in self.runs.values():
                if run.agent == agent and run.held:
                    run.deadline = self.now + self.lease_of(run)
            return renew(self, agent, held, instance)

        return wrong

    return changed(Model, "renew", make)


def given_back_before_the_end() -> Any:
    """A run is given back as soon as its processes are asked to end."""

    def make(end: Any) -> Any:
        def wrong(self: RunLife, now: float, verdict: Verdict) -> Any:
            actions = end(self, now, verdict)
            if self.verdict in (Verdict.DRAINED, Verdict.CUT) and self.phase is Phase.RUNNING and actions:
                self.verdict, self.phase = Verdict.DRAINED, Phase.CLEARING
                return [*actions, *self._deliver(now)]
            return actions

        return wrong

    return changed(RunLife, "end", make)


def no_poll() -> Any:
    """An agent asks only when it is woken."""
    return changed(Claiming, "poll", lambda _: lambda self, now: [])


def no_window_after_silence() -> Any:
    """Leases are judged although nobody could renew them for a while."""

    def make(_: Any) -> Any:
        def wrong(self: Model) -> None:
            self.beat_at = self.now

        return wrong

    return changed(Model, "beat", make)


def no_hold_after_a_crash() -> Any:
    """Redis gives runs away at once although it may have forgotten who has them."""

    def make(returned: Any) -> Any:
        def wrong(self: Model) -> None:
            returned(self)
            self.no_claims_before = 0

        return wrong

    return changed(Model, "returned", make)


MUTANTS: Mapping[str, Callable[[], Any]] = {
    made.__name__: made
    for made in (
        no_kill_before_the_lease_ends,
        no_timer_of_the_kernel,
        lease_from_the_answer,
        confirm_ignored,
        cut_is_away,
        all_of_the_agent_renewed,
        given_back_before_the_end,
        no_poll,
        no_window_after_silence,
        no_hold_after_a_crash,
    )
}
