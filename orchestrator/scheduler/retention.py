"""Forgetting: runs that ended long ago with all that belongs to them, old logs, old specs; in small steps."""

from dataclasses import dataclass
from typing import Any

from orchestrator.scheduler import events
from orchestrator.scheduler.unused_code import UnusedCode
from orchestrator.store import Store
from queues.clock import score_us, seconds_to_us
from queues.states import TERMINAL, State

DAY = 86_400.0
STEP = 100
"""Logs, and runs of each state, that one step removes at most."""

DEPLOYMENTS_AT_ONCE = 50
"""Deployments that one step of `trim` looks at: a millisecond of Redis, and as much here."""

SPECS_KEPT = 10
"""Revisions of a deployment that are kept though no run was made from them."""


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What a step removed; `more` says that the next step has work too."""

    runs: int
    logs: int
    more: bool


class _Place:
    """Behind which runs of a state the next step looks: those made before a time, and so many made at it."""

    def __init__(self) -> None:
        self.made_us, self.passed = 0, 0

    def move(self, rows: list[tuple[str, int]]) -> None:
        """Pass runs by, each with its time of creation, the oldest first."""
        for _, made_us in rows:
            self.passed = self.passed + 1 if made_us == self.made_us else 1
            self.made_us = made_us


class Retention:
    """Removes what is older than it is kept. Ages count from the end of a run, and from the last line of a log."""

    def __init__(self, store: Store, *, run_days: float = 30.0, log_days: float = 7.0) -> None:
        self._store = store
        self._run_us = seconds_to_us(run_days * DAY)
        self._log_seconds = log_days * DAY
        self._unused_code = UnusedCode(store)
        self._at: dict[State, _Place] = {}
        self._trimmed_to = 0
        self._needed_since_us = 0

    def step(self) -> Forgotten:
        """Remove up to STEP logs, and up to STEP runs of each state."""
        logs = self._store.logs.older_than(self._log_seconds, STEP)
        if logs:
            self._store.logs.drop(logs, "age")
        now_us, count, more = self._store.scripts.now_us(), 0, len(logs) == STEP
        for state in sorted(TERMINAL):
            looked, gone = self._forget(state, now_us - self._run_us)
            count, more = count + gone, more or looked == STEP
        if logs or count:
            events.forgot(runs=count, logs=len(logs))
        return Forgotten(runs=count, logs=len(logs), more=more)

    def trim(self) -> bool:
        """Remove, for the next deployments, specs of which no run is left, and skips as old as forgotten runs.

        Says whether there are more deployments to look at; a call after the last begins with the first again.
        """
        if self._trimmed_to == 0:
            self._needed_since_us = self._oldest_run_us()
            self._store.runs.trim_hours(before_us=self._needed_since_us)
        self._trimmed_to, some = self._store.deployments.some(self._trimmed_to, DEPLOYMENTS_AT_ONCE)
        for one in self._store.deployments.revisions.with_more(some, SPECS_KEPT):
            self._store.deployments.revisions.trim(one, needed_since_us=self._needed_since_us, keep=SPECS_KEPT)
        self._store.schedules.trim_skips(some, self._store.scripts.now_us() - self._run_us)
        return self._trimmed_to != 0

    def forget_code(self) -> bool:
        """Look at some deployments or remove some of the code that none names any more; whether there is more to do."""
        return self._unused_code.step()

    def _forget(self, state: State, before_us: int) -> tuple[int, int]:
        """Forget some of the runs of a state that ended before a time; gives how many were looked at, and are gone."""
        place = self._at.setdefault(state, _Place())
        rows = self._made_before(state, before_us, place)
        records = self._store.records.get_many([run_id for run_id, _ in rows]) if rows else []
        ended = [run.id for run in records if run is not None and (run.ended_us or 0) < before_us]
        gone = self._store.records.forget(ended) if ended else 0
        # What waited for long and ended lately, or may not be forgotten, is not to be met again in this round.
        place.move([row for row in rows if gone < len(ended) or row[0] not in ended])
        if len(rows) < STEP:
            del self._at[state]
        return len(rows), gone

    def _made_before(self, state: State, before_us: int, place: _Place) -> list[tuple[str, int]]:
        key = self._store.keys.state(state)
        found = self._store.scripts.ask(
            lambda client: client.zrangebyscore(key, place.made_us, before_us, place.passed, STEP, withscores=True)
        )
        return [(run_id.decode(), score_us(score)) for run_id, score in found]

    def _oldest_run_us(self) -> int:
        """When the oldest run was made that is still there: it is shown, and may be started, with the spec of then."""

        def read(pipe: Any) -> None:
            for state in State:
                pipe.zrange(self._store.keys.state(state), 0, 0, withscores=True)

        firsts = [score_us(rows[0][1]) for rows in self._store.scripts.ask_many(read) if rows]
        return min(firsts, default=self._store.scripts.now_us())
