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
"""Runs or logs that one step removes at most: about 5 ms of Redis."""

SPECS_KEPT = 10
"""Revisions of a deployment that are kept though no run was made from them."""


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What a step removed; `more` says that the next step has work too."""

    runs: int
    logs: int
    more: bool


class Retention:
    """Removes what is older than it is kept. Ages count from the end of a run, and from the last line of a log."""

    def __init__(self, store: Store, *, run_days: float = 30.0, log_days: float = 7.0) -> None:
        self._store = store
        self._run_us = seconds_to_us(run_days * DAY)
        self._log_seconds = log_days * DAY
        self._unused_code = UnusedCode(store)

    def step(self) -> Forgotten:
        """Remove up to STEP logs, and up to STEP runs of each state."""
        logs = self._store.logs.older_than(self._log_seconds, STEP)
        if logs:
            self._store.logs.drop(logs, "age")
        old, more = self._old_runs()
        count = self._store.records.forget(old)
        if logs or count:
            events.forgot(runs=count, logs=len(logs))
        return Forgotten(runs=count, logs=len(logs), more=more or len(logs) == STEP)

    def trim(self) -> int:
        """Remove what grows with deployments: specs of which no run is left, skips as old as forgotten runs."""
        oldest = self._oldest_run_us()
        removed = 0
        for deployment_id in self._store.deployments.names().values():
            removed += self._store.deployments.trim_specs(deployment_id, needed_since_us=oldest, keep=SPECS_KEPT)
            self._store.schedules.trim_skips(deployment_id, before_us=self._store.scripts.now_us() - self._run_us)
        return removed

    def forget_code(self) -> bool:
        """Remove some of the code that no deployment names any more; whether there is more to look at."""
        return self._unused_code.step()

    def _old_runs(self) -> tuple[list[str], bool]:
        """Runs that ended too long ago, and whether a state may have more of them."""
        before_us = self._store.scripts.now_us() - self._run_us
        old: list[str] = []
        more = False
        for state in sorted(TERMINAL):
            ids = self._made_before(state, before_us)
            records = self._store.records.get_many(ids) if ids else []
            ended = [run.id for run in records if run is not None and (run.ended_us or 0) < before_us]
            old += ended
            more = more or (len(ids) == STEP and bool(ended))
        return old, more

    def _made_before(self, state: State, before_us: int) -> list[str]:
        key = self._store.keys.state(state)
        found = self._store.scripts.ask(lambda client: client.zrangebyscore(key, "-inf", before_us, 0, STEP))
        return [run_id.decode() for run_id in found]

    def _oldest_run_us(self) -> int:
        """When the oldest run was made that is still there: it is shown, and may be started, with the spec of then."""

        def read(pipe: Any) -> None:
            for state in State:
                pipe.zrange(self._store.keys.state(state), 0, 0, withscores=True)

        firsts = [score_us(rows[0][1]) for rows in self._store.scripts.ask_many(read) if rows]
        return min(firsts, default=self._store.scripts.now_us())
