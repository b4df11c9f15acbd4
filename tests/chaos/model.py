"""Floor 0 as it should be, in memory: what every verb answers and leaves behind, written without a look at the Lua.

Nothing here is indexed: who holds a limit, what may start and what comes next are looked up in the records each time.
Where a run stands in line or is parked is no matter of this model: a run is *startable* when all its limits have room.
Times are microseconds of Redis' clock, `now` is set by whoever plays. Tokens are opaque: only their order means
something. The model test plays it beside a real Redis, the simulation uses it as Redis.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass

from queues.states import HELD, TERMINAL, State
from tests.chaos.model_records import SECOND, Answers, Name, Proof, Record, Records, Refused, ended_under

STRIDE = 1 << 20
"""How far tokens jump when Redis returns: none that was lost with the end of its log comes a second time."""


@dataclass(kw_only=True)
class Model(Records):
    """All of floor 0; one method per verb."""

    # -------------------------------------------------------------- clients
    def create(self, new: Iterable[Record], request: str | None = None) -> list[tuple[bool, State]]:
        """Record runs that are not there yet; (made, state) for each."""
        if (answer := self.recall("create", request)) is not None:
            return list(answer)
        wanted = [copy(run) for run in new]
        if any(run.queue not in self.lines for run in wanted):
            raise Refused("unknown_queue")
        answers = []
        for run in wanted:
            made = run.id not in self.runs
            if made:
                run.state = State.SCHEDULED if run.due > self.now + len(wanted) else State.QUEUED
                self.runs[run.id] = run
            answers.append((made, self.runs[run.id].state))
        self.keep("create", request, answers)
        return answers

    def cancel(self, run_id: str, request: str | None = None) -> tuple[State, State]:
        """End a waiting run, or ask for the end of a held one; (state before, state now)."""
        if (answer := self.recall("cancel", request)) is not None:
            found: tuple[State, State] = answer
            return found
        run = self.runs.get(run_id)
        if run is None:
            raise Refused("unknown_run")
        before = run.state
        if before is State.CANCELLING or (before is State.CANCELLED and run.cancelled_by_request):
            return before, before
        if before in TERMINAL:
            raise Refused("refused")
        run.cancelled_by_request = True
        if before in HELD:
            run.move(State.CANCELLING)
        else:
            run.settle(State.CANCELLED)
        self.keep("cancel", request, (before, run.state))
        return before, run.state

    def forget(self, ids: Iterable[str]) -> int:
        """Drop runs that have ended."""
        ended = [run_id for run_id in ids if run_id in self.runs and self.runs[run_id].state in TERMINAL]
        for run_id in ended:
            del self.runs[run_id]
        return len(ended)

    # -------------------------------------------------------------- agents
    def claim(
        self, agent: str, queues: Sequence[str], count: int, claim: str, avoid: Collection[str] = ()
    ) -> list[Record]:
        """Hold up to `count` runs, but none of a limit in `avoid`; sent again, those still held under this claim."""
        if (known := self.recall("claim", claim)) is not None:
            return [run for run in map(self.runs.get, known) if run and run.state in HELD and run.claim == claim]
        taken: list[Record] = []
        avoided = {run.id for run in self.runs.values() if not set(avoid).isdisjoint(run.limits)}
        has = self.labels.get(agent, frozenset())
        avoided |= {run.id for run in self.runs.values() if not has.issuperset(run.requires)}
        for run in self._next_of(agent, queues, count, avoided) if self.now >= self.no_claims_before else ():
            self.token += 1
            self.take(run, agent, self.token, claim, self.lease_of(run))
            taken.append(run)
            if run.alone:
                self.promises.pop(run.id, None)
                run.alone = "now" if len(self.in_hands(agent)) == 1 else "beside"
        if taken:
            self.keep("claim", claim, [run.id for run in taken])
        return taken

    def _next_of(self, agent: str, queues: Sequence[str], count: int, passed: set[str]) -> Iterator[Record]:
        """The runs for an agent, one after the other: whoever is to be alone is, or is passed over."""
        held, mine = self.in_hands(agent), self.promised(agent, queues, passed)
        if [run.alone for run in held] == ["now"] or (mine and held and self.promise(mine, agent)):
            return
        if mine and not held:
            yield mine
            return
        given = 0
        while given < count and (run := self.next_run(queues, passed)):
            if run.alone and self.in_hands(agent) and self.promise(run, agent):
                passed.add(run.id)
                if self.promises[run.id][1] == agent:
                    return
                continue
            given += 1
            yield run
            if run.alone == "now":
                return

    def confirm(self, proof: Proof) -> str:
        """Let user code run: ok, lost or cancelling."""
        run = self.owned(proof)
        if run is None or run.state is State.CANCELLING:
            return "lost" if run is None else "cancelling"
        if run.state is State.PENDING:
            run.move(State.RUNNING)
        return "ok"

    def renew(self, agent: str, held: Iterable[tuple[str, int, str, bool]], instance: str = "") -> Answers:
        """Extend the leases of runs that are still held; (run, token, claim, confirmed) for each."""
        said: dict[str, set[str]] = {"extended": set(), "lost": set(), "cancelling": set(), "stalled": set()}
        for run_id, token, claim, confirmed in held:
            run = self.owned((run_id, token, claim)) or self._adopt(agent, (run_id, token, claim))
            if run is None:
                said["lost"].add(run_id)
                continue
            if run.state is State.PENDING and confirmed:
                run.move(State.RUNNING)
            if run.state is State.PENDING and self.now - run.taken > self.start_timeout:
                said["stalled"].add(run_id)
                continue
            if run.state is State.CANCELLING:
                said["cancelling"].add(run_id)
            said["extended"].add(run_id)
            run.deadline = self.now + self.lease_of(run)
        name = self.names.get(agent)
        registered = name is not None and instance in ("", name.instance)
        if name and registered:
            name.seen = self.now
        request = name.request if name and registered else ""
        return Answers(
            **{kind: frozenset(found) for kind, found in said.items()}, registered=registered, request=request
        )

    def finish(
        self, proof: Proof, state: State, *, name: str | None = None, retry_in: int | None = None
    ) -> tuple[str, State | None]:
        """End a held run or plan its next try; (ok or lost, what the run is now)."""
        run = self.owned(proof)
        if run is None:
            there = self.runs.get(proof[0])
            if there is not None and there.settled == ("finish", *proof[1:]):
                return "ok", State.SCHEDULED
            return ("ok" if ended_under(there, proof) else "lost"), there.state if there else None
        if run.state is State.CANCELLING:
            run.settle(State.CANCELLED)
        elif retry_in is not None:
            run.settled = ("finish", *proof[1:])
            run.move(State.SCHEDULED, name="AwaitingRetry", due=self.now + retry_in, failures=run.failures + 1)
            run.claim, run.agent, run.held = "", "", ()
        else:
            if run.state is State.PENDING and state is State.COMPLETED:
                run.move(State.RUNNING)
            run.settle(state, name)
        return "ok", run.state

    def release(self, proof: Proof, *, loss: bool = False) -> str:
        """Give a held run back: ok or lost."""
        run = self.owned(proof)
        if run is None:
            there = self.runs.get(proof[0])
            again = there is not None and there.settled == ("release", *proof[1:])
            return "ok" if again or ended_under(there, proof) else "lost"
        run.settled = ("release", *proof[1:])
        if loss:
            self.lose(run, agent_lives=True)
        else:
            self.give_back(run)
        return "ok"

    def register(self, name: str, instance: str, *, takeover: str = "") -> list[str] | None:
        """Take a name; the runs taken over from a dead holder, or None when a living one has it."""
        holder = self.names.get(name)
        others = holder is not None and holder.instance not in (instance, takeover)
        if holder and others and abs(self.now - holder.seen) < self.lease + self.grace:
            return None
        same = holder is not None and holder.instance == instance
        taken = self.in_hands(name) if takeover and not same else []
        for run in taken:
            self.lose(run)
        if not same:
            self.note_company(name)
            for run in self.in_hands(name):
                run.instance = "nobody"  # what the holder before left is ended by its leases, whoever comes next
        self.names[name] = Name(instance=instance, seen=self.now, request=holder.request if holder and same else "")
        return [run.id for run in taken]

    def unregister(self, name: str, instance: str) -> list[str]:
        """Leave: what is still held goes back, which is no loss."""
        if name not in self.names or self.names[name].instance != instance:
            return []
        given = self.in_hands(name)
        for run in given:
            self.give_back(run)
        del self.names[name]
        return [run.id for run in given]

    def request(self, name: str, request: str) -> bool:
        """Ask an agent to drain or stop; a stop is not taken back."""
        if name in self.names and self.names[name].request != "stop":
            self.names[name].request = request
        return name in self.names

    # -------------------------------------------------------------- the scheduler and the operator
    def promote(self, leeway: int = 0) -> int:
        """Queue delayed runs that are due, or will be within the leeway."""
        due = [run for run in self.runs.values() if run.state is State.SCHEDULED and run.due <= self.now + leeway]
        for run in due:
            run.move(State.QUEUED)
        return len(due)

    def expire(self, *, fresh: int | None = None) -> dict[str, State]:
        """Take runs whose lease ended longer ago than the grace; what each is now. `fresh`: how old a beat may be."""
        if fresh is not None and abs(self.now - self.beat_at) > fresh:
            return {}
        if self.now < self.no_expiry_before:
            return {}
        held = [run for run in self.runs.values() if run.state in HELD]
        for run in held:
            if run.deadline > self.now + self.lease + SECOND:  # the clock went back
                run.deadline = self.now + self.lease_of(run)
        return {run.id: self.lose(run) for run in held if run.deadline <= self.now - self.grace}

    def beat(self) -> None:
        """A scheduler writes the time; after a silence, or a jump of the clock, nothing expires for a while."""
        silence = self.now - (self.beat_at or self.now)
        leases = [self.lease, *(line.lease for line in self.lines.values() if line.lease)]
        held = any(run.state in HELD for run in self.runs.values())
        self.beat_at = self.now
        if abs(silence) > (min(leases) + self.grace) / 2 and (silence < 0 or held):
            self.no_expiry_before = self.now + self.lease + self.grace
            self.no_claims_before = self.no_claims_before if silence > 0 else 0

    def returned(self) -> None:
        """Redis was started anew after a crash: the recovery window."""
        self.no_expiry_before, self.no_claims_before = self.now + self.lease + self.grace, self.now + self.hold
        self.token += STRIDE

    def set_limit(self, limit: str, number: int | None) -> int | None:
        """Change a limit; gives the number before."""
        before = self.numbers.pop(limit, None)
        if number is not None:
            self.numbers[limit] = number
        return before

    def lose(self, run: Record, *, agent_lives: bool = False) -> State:
        """A held run was lost with its agent, or only did not start."""
        company: bool | None = None
        if not agent_lives:
            self.note_company(run.agent)
            company = run.beside
        if run.state is State.CANCELLING:
            run.settle(State.CANCELLED)
            return run.state
        run.lost += 1
        run.lost_alone = run.lost_alone or (company is False and run.state is State.RUNNING)
        if run.on_lost == "crash":
            run.settle(State.CRASHED)
        elif run.lost < run.max_lost:
            self.give_back(run)
        elif company and not run.lost_alone and not run.alone:
            run.alone = "wanted"
            self.give_back(run)
        else:
            run.settle(State.CRASHED, "Poison" if run.lost_alone and run.lost > 1 else None)
        return run.state

    def give_back(self, run: Record) -> None:
        """Back into line at its old place, with a token that no owner has."""
        if run.state is State.CANCELLING:
            return run.settle(State.CANCELLED)
        self.token += 1
        return run.move(State.QUEUED, token=self.token, claim="", agent="", held=())

    def _adopt(self, agent: str, proof: Proof) -> Record | None:
        """Take a run back whose claim was in the lost end of the log."""
        run = self.runs.get(proof[0])
        if run is None or run.state is not State.QUEUED or self.now >= self.no_expiry_before or run.token >= proof[1]:
            return None
        self.token = max(self.token, proof[1])
        self.take(run, agent, proof[1], proof[2], self.lease)
        return run
