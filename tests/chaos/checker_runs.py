"""Judges what became of runs: calls, places, moves, instants, lines, cancels, losses. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from queues.states import HELD, INITIAL, TERMINAL, TRANSITIONS
from tests.chaos.checker_facts import Facts, Found, Record, lease_end, when

LOST_KINDS = ("waiting", "parked", "delayed", "indexes", "orphans", "leases")
"""What repair counts when a run stood nowhere."""
STUCK_KINDS = ("misplaced", "holders", "offers", "orphan_leases")
"""What repair counts when a slot or a place was kept that nobody needs, or nobody got."""


def one_effect(facts: Facts) -> Found:
    """Nothing is made twice, no claim takes runs twice, no call that ends a run ends it under another claim."""
    sent_again = sum(ack.get("resent", 0) for acks in facts.acks.values() for ack in acks)
    found = Found({"calls sent again": sent_again, "calls answered": sum(map(len, facts.acks.values()))})
    born = Counter(move["run"] for move in facts.moves if not move["from"])
    found.violations += [f"{run} was made {count} times" for run, count in born.items() if count > 1]
    found.violations += [*_repeated_claims(facts), *_repeated_ends(facts)]
    return found


def _repeated_claims(facts: Facts) -> Iterator[str]:
    """All sendings of one claim answer with runs that the first took; who hears an answer hears of all it holds."""
    taken: dict[str, tuple[float, set[tuple[str, int]]]] = {}
    for answer in facts.answers:
        tokens = {(run, token) for run, token in answer["tokens"].items() if not facts.by_token[run, token].undone}
        if answer["request"] not in taken and tokens:
            taken[answer["request"]] = answer["mono"], tokens
        first = taken.get(answer["request"], (0.0, tokens))[1]
        if not tokens <= first:
            yield f"a claim of {answer['client']} took {sorted(first)} and, sent again, {sorted(tokens - first)}"
    lease = facts.settings.get("lease", 0)
    for ack in facts.acks["claim"]:
        since, first = taken.get(ack["request"], (0.0, set()))
        unheard = [facts.by_token[one] for one in first - set(ack["tokens"].items())]
        if 0 <= ack["answered"] - since < lease and any(tenure.last is None or tenure.expired for tenure in unheard):
            yield f"{ack['client']} was not told of {[tenure.run for tenure in unheard]}, which its claim had taken"


def _repeated_ends(facts: Facts) -> Iterator[str]:
    """What ended a claim of an agent, and was sent again, ended another claim too."""
    ended = {
        (one.run, one.last["actor"]) for one in facts.tenures if one.last and one.last["actor"] == f"agent:{one.agent}"
    }
    for tenure in facts.foreign_ends():
        if tenure.last and (tenure.run, tenure.last["actor"]) in ended:
            yield f"{tenure.last['actor']} gave up {tenure.run} once, and again at {when(tenure.last['at'])}"


def nothing_lost(facts: Facts) -> Found:
    """Every acknowledged run is there at the end, in its one place; what a cut may have taken is listed."""
    made = {run: ack for ack in facts.acks["create"] for run in ack["runs"]}
    kills = facts.count("kill", "cut tail")
    found = Found({"kills and cuts": kills, "of Redis": facts.count("kill redis"), "acknowledged runs": len(made)})
    if facts.end is None:
        return found
    there, places = facts.end["runs"], facts.end["places"]
    for run in [*made, *(run for run in facts.moves_of if run not in made)]:
        if run in there:
            found.violations += _misplaced(run, there[run]["state"], places.get(run, []), facts)
        elif run in made and facts.excused(made[run]):
            found.notes.append(f"{run} was lost with the tail")
        elif run in made or facts.state(run):
            found.violations.append(f"{run} is gone; its last state was {facts.state(run)}")
    found.violations += [f"{run} stands in {places[run]} and has no record" for run in places if run not in there]
    found.violations += _repaired(facts, LOST_KINDS)
    return found


def _misplaced(run: str, state: str, places: list[str], facts: Facts) -> Iterator[str]:
    kinds = [place.partition(":")[0] for place in places]
    fits = {"SCHEDULED": [["delayed"]], "QUEUED": [["waiting"], ["parked"]]}.get(state, [[]])
    if kinds not in ([["leases"]] if state in HELD else fits):
        yield f"{run} is {state} and stands in {places or 'no place'}"
    if facts.state(run) != state:
        yield f"{run} is {state}, by its moves it is {facts.state(run)}"


def _repaired(facts: Facts, kinds: tuple[str, ...]) -> Iterator[str]:
    counts = (facts.end or {}).get("repaired", {})
    return (f"repair had to set right {counts[kind]} times: {kind}" for kind in kinds if counts.get(kind))


def nothing_stuck(facts: Facts) -> Found:
    """At the end no run waits or is held, and no slot is kept; the slowest expiry is noted."""
    expired = [tenure for tenure in facts.tenures if tenure.expired]
    found = Found({"faults": len(facts.faults), "leases expired": len(expired)})
    late = [tenure.last["at"] - said for tenure in expired if tenure.last and (said := lease_end(tenure.last))]
    if late:
        found.notes.append(f"leases were taken {min(late) / 1e6:.2f} to {max(late) / 1e6:.2f} s after their end")
    if facts.end is None:
        return found
    runs = facts.end["runs"]
    for run, record in runs.items():
        if record["state"] in HELD or record["state"] == "QUEUED":
            found.violations.append(f"{run} is still {record['state']} at the end")
    for limit, holders in facts.end["holders"].items():
        gone = [run for run in holders if runs.get(run, {}).get("state") not in HELD]
        found.violations += [f"{run} keeps a slot of {limit}, and is not running" for run in gone]
    found.violations += _repaired(facts, STUCK_KINDS)
    return found


def legal_moves(facts: Facts) -> Found:
    """Each move starts where the last one ended, goes where the table allows, and none follows an end."""
    refused = sum(ack["answer"] in ("lost", "refused") for acks in facts.acks.values() for ack in acks)
    refused += sum(one["answer"] == "lost" for one in facts.late)
    found = Found({"calls refused": refused, "moves": len(facts.moves), "ends": 0})
    for run, moves in facts.moves_of.items():
        state = ""
        for move in moves:
            legal = move["to"] in (TRANSITIONS[move["from"]] if move["from"] else INITIAL)
            if move["from"] != state or not legal:
                found.violations.append(_illegal(run, state, move))
            state = move["to"]
            found.occurred["ends"] += state in TERMINAL
    return found


def _illegal(run: str, state: str, move: Record) -> str:
    return f"{run} was {state or 'nothing'} and moved from {move['from']} to {move['to']} at {when(move['at'])}"


def instants(facts: Facts) -> Found:
    """Count per deployment, schedule and instant: exactly one run or skip; each run of an instant was made once."""
    seen = Counter((one["deployment"], one["schedule"], one["at"]) for one in facts.instants)
    expected = {(one["deployment"], one["schedule"], one["at"]) for one in facts.expected_instants}
    skipped = sum("skipped" in one for one in facts.instants)
    found = Found({"instants": len(expected), "skipped": skipped, "kills of schedulers": facts.count("kill scheduler")})
    for deployment, schedule, at in sorted(expected):
        count = seen[deployment, schedule, at]
        if count != 1:
            found.violations.append(f"{schedule} of {deployment} at {when(at)} has {count} runs or skips")
    unexpected = sorted(seen.keys() - expected)
    found.violations += [f"{schedule} of {made} at {when(at)} was never to happen" for made, schedule, at in unexpected]
    return found


def lines(facts: Facts) -> Found:
    """The numbers of an attempt go 1, 2, 3 … as they are read; what is missing is marked."""
    again = sum(ack.get("resent", 0) for ack in facts.acks["append"])
    found = Found({"lines": 0, "batches sent again": again, "attempts": len(facts.logs)})
    for log in facts.logs:
        following, gaps = 1, 0
        for first, last in log["numbers"]:
            if first < following:
                found.violations.append(
                    f"attempt {log['attempt']} of {log['run']}: line {first} again after {following - 1}"
                )
            gaps += first > following
            following = max(following, last + 1)
            found.occurred["lines"] += last - first + 1
        if gaps > log["marked_gaps"]:
            found.violations.append(
                f"attempt {log['attempt']} of {log['run']}: {gaps} gaps, {log['marked_gaps']} marked"
            )
    return found


def cancels(facts: Facts) -> Found:
    """An accepted cancel ends CANCELLED, a refused one did not; whoever came first won."""
    found = Found({"races of cancel and finish": 0, "cancels": len(facts.acks["cancel"])})
    finished = {(run, ack["client"]) for ack in facts.acks["finish"] for run in ack["runs"]}
    raced = {run for run, _ in finished}
    for ack in facts.acks["cancel"]:
        run, accepted = ack["runs"][0], ack["answer"] in ("CANCELLING", "CANCELLED")
        state = facts.state(run)
        found.occurred["races of cancel and finish"] += ack["answer"] in ("CANCELLING", "refused") and run in raced
        if state is None or facts.excused(ack):
            continue
        if accepted and state not in ("CANCELLING", "CANCELLED"):
            found.violations.append(f"{run} is {state}, its cancel was accepted ({ack['answer']})")
        elif not accepted and state not in TERMINAL:
            found.violations.append(f"{run} is {state}, its cancel was refused as if it had ended")
    return found


def bounded_tries(facts: Facts) -> Found:
    """A run is lost at most `max_lost` times (once more when it is tried alone), and says what it ended of."""
    given = {run: ack for ack in facts.acks["create"] for run in ack["runs"]}
    usual = facts.settings.get("max_lost", 3)
    losses, retries = Counter[str](), Counter[str]()
    for tenure in facts.tenures:
        if tenure.last is None:
            continue
        losses[tenure.run] += tenure.expired or " died" in tenure.last["reason"]
        retries[tenure.run] += tenure.last["to"] == "SCHEDULED"
    found = Found({"losses": losses.total(), "retries": retries.total()})
    for run, count in losses.items():
        most = given.get(run, {}).get("max_lost", usual)
        if count > most + 1:
            found.violations.append(f"{run} was lost {count} times, {most} were allowed")
    for run, count in retries.items():
        most = given.get(run, {}).get("retries", facts.settings.get("retries", count))
        if count > most:
            found.violations.append(f"{run} was tried again {count} times, {most} were allowed")
    return found
