"""What the history says right now: where each run stands and who holds it; read on from record to record."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from queues.states import HELD, TERMINAL, State
from tests.chaos.history import History, Record, position


@dataclass(frozen=True)
class Seen:
    """A run as its last move left it."""

    state: State
    agent: str
    attempt: int
    queue: str


class Scene:
    """Follows a history while it grows; `update` takes in what is new."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._read = 0
        self.runs: dict[str, Seen] = {}
        self.ended = 0

    def update(self) -> None:
        """Take in what was noted since; after a cut, everything anew without what it undid."""
        fresh = self._history.records[self._read :]
        self._read += len(fresh)
        if any(record["kind"] == "cut" for record in fresh):
            self.runs, self.ended = {}, 0
            fresh = surviving(self._history.records[: self._read])
        for record in fresh:
            if record["kind"] == "move":
                self._take(record)

    def _take(self, move: Record) -> None:
        state = State(move["to"])
        if state in TERMINAL:
            self.runs.pop(move["run"], None)
            self.ended += 1
        else:
            self.runs[move["run"]] = Seen(state, move["agent"], move["attempt"], move["queue"])

    @property
    def open(self) -> int:
        """How many runs have not ended."""
        return len(self.runs)

    def held_by(self, agent: str) -> dict[str, Seen]:
        """The runs that an agent holds."""
        return {run: seen for run, seen in list(self.runs.items()) if seen.agent == agent and seen.state in HELD}

    def held(self) -> int:
        """How many runs hold a slot."""
        return sum(seen.state in HELD for seen in list(self.runs.values()))

    def state_of(self, agent: str) -> str:
        """What an agent is doing, in one word."""
        states = Counter(seen.state for seen in self.held_by(agent).values())
        for state, word in WORDS.items():
            if states[state]:
                return word
        return "idle"


WORDS = {State.CANCELLING: "cancelling", State.PENDING: "starting", State.RUNNING: "running"}


def surviving(records: list[Record]) -> list[Record]:
    """The records without the moves that a cut of the file undid."""
    kept: list[Record] = []
    for record in records:
        if record["kind"] == "cut":
            last, until = position(record["id"]), position(record["until"])
            kept = [one for one in kept if one["kind"] != "move" or not last < position(one["id"]) <= until]
        kept.append(record)
    return kept
