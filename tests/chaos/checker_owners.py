"""Judges who held what: limits, tokens, overlapping processes, and the order of a line. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from collections.abc import Iterator

from queues.states import HELD
from tests.chaos.checker_facts import ADOPTED, Facts, Found, Record, Tenure, lease_end, when
from tests.chaos.history import position


def caps(facts: Facts) -> Found:
    """Count the holders of every limit after every claim; whatever number is in force then is the most there may be.

    What an agent takes back after Redis lost the claim is running already, and was within the limit when it was
    claimed: it counts, and is not judged. Beside it may stand runs whose end was lost; they go with their leases.
    """
    found = Found({"claims that took the last slot": 0, "limits changed": 0, "lowered below what was held": 0})
    holders: dict[str, set[str]] = defaultdict(set)
    numbers: dict[str, int] = {}
    held: dict[str, list[str]] = {}
    for _, record in facts.timeline():
        if record["kind"] == "change":
            _change_limit(record, numbers, holders, found)
        elif record["to"] not in HELD:
            for limit in held.pop(record["run"], []):
                holders[limit].discard(record["run"])
        elif record["run"] not in held:
            held[record["run"]] = record["held"]
            for limit in record["held"]:
                holders[limit].add(record["run"])
                _judge_limit(record, limit, len(holders[limit]), numbers.get(limit), found)
    return found


def _change_limit(change: Record, numbers: dict[str, int], holders: dict[str, set[str]], found: Found) -> None:
    if change["field"] not in ("limit", "deleted"):
        return
    limit = change["subject"]
    found.occurred["limits changed"] += limit in numbers
    if change["field"] == "limit" and change["new"]:
        numbers[limit] = int(change["new"])
        found.occurred["lowered below what was held"] += len(holders[limit]) > numbers[limit]
    else:
        numbers.pop(limit, None)


def _judge_limit(move: Record, limit: str, count: int, most: int | None, found: Found) -> None:
    if most is None or move["reason"].startswith(ADOPTED):
        return
    found.occurred["claims that took the last slot"] += count == most
    if count > most:
        found.violations.append(
            f"{limit} had {count} holders of {most} when {move['agent']} took {move['run']} at {when(move['at'])}"
        )


def one_owner(facts: Facts) -> Found:
    """Tokens only grow, old ones change nothing, a lease ends with its grace, and no two processes run one run."""
    expired = [tenure for tenure in facts.tenures if tenure.expired]
    late = [ack for verb in ("confirm", "finish", "release") for ack in facts.acks[verb] if ack["answer"] == "lost"]
    frozen = {fault["detail"].get("agent") for fault in facts.faults if fault["what"].startswith(("freeze", "cut off"))}
    proven = {(run, ack.get("token")) for ack in late for run in ack["runs"]}
    alive = sum(one.agent in frozen or (one.run, one.token) in proven for one in expired)
    again = sum(_count(lives, "start") > 1 for lives in facts.flows.values())
    found = Found(
        {
            "leases expired": len(expired),
            "of living owners": alive,
            "late calls refused": len(late) + sum(one["answer"] == "lost" for one in facts.late),
            "runs started again": again,
        }
    )
    found.violations += [*_tokens(facts), *_old_tokens(facts), *_other_hands(facts), *_too_early(facts, expired)]
    found.violations += [sentence for run, lives in facts.flows.items() for sentence in _overlaps(run, lives)]
    return found


def _count(flows: list[Record], what: str) -> int:
    return sum(flow["what"] == what for flow in flows)


def _tokens(facts: Facts) -> Iterator[str]:
    """Each claim has a token above all before it, those included that Redis has lost."""
    highest = 0
    for move in sorted([*facts.moves, *facts.undone], key=lambda move: position(move["id"])):
        fresh = move["to"] == "PENDING" and not move["reason"].startswith("taken back")
        if fresh and move["token"] <= highest:
            at = when(move["at"])
            yield f"{move['run']} was claimed with token {move['token']} at {at}, after {highest} was used"
        highest = max(highest, move["token"])


def _old_tokens(facts: Facts) -> Iterator[str]:
    """A call was accepted only if its token was the run's: then the claim of that token was ended by this agent."""
    for verb in ("confirm", "finish", "release"):
        for ack in facts.acks[verb]:
            if ack["answer"] != "ok" or facts.excused(ack):
                continue
            tenure = facts.by_token.get((ack["runs"][0], ack["token"]))
            ended = tenure is not None and tenure.last is not None and tenure.last["actor"] == f"agent:{ack['client']}"
            if tenure is None or (verb != "confirm" and not ended):
                run, token = ack["runs"][0], ack["token"]
                yield f"{verb} of {run} with token {token} by {ack['client']} was accepted, which was not its own"


def _other_hands(facts: Facts) -> Iterator[str]:
    """What an agent ends is its own, by its newest claim."""
    others = [one for one in facts.tenures if one.last and one.last["actor"].startswith("agent:")]
    others = [one for one in others if one.last and one.last["actor"] != f"agent:{one.agent}"]
    for tenure in {id(one): one for one in [*others, *facts.foreign_ends()]}.values():
        assert tenure.last is not None
        did = f"{tenure.last['actor']} made {tenure.run} {tenure.last['to']} at {when(tenure.last['at'])}"
        yield f"{did} by an old claim; {tenure.agent} held it with token {tenure.token}"


def _too_early(facts: Facts, expired: list[Tenure]) -> Iterator[str]:
    """A lease ends when its agent thinks so, or later: judged by what the agent heard last, and by the grace."""
    until = {}
    for verb in ("claim", "renew"):
        for ack in facts.acks[verb]:
            until.update({held: ack.get("until", 0) for held in ack["tokens"].items()})
    grace = round(facts.settings.get("grace", 0) * 1_000_000)
    for tenure in expired:
        assert tenure.last is not None
        ended = lease_end(tenure.last)
        if ended is not None and tenure.last["at"] - ended < grace:
            taken = f"{tenure.run} was taken from {tenure.agent} at {when(tenure.last['at'])}"
            yield f"{taken}, within the grace of {grace} us: its lease ended {when(ended)}"
        lasts = until.get((tenure.run, tenure.token), 0)
        if lasts > tenure.last["at"]:
            yield f"{tenure.run} was taken from {tenure.agent}, whose lease lasted until {when(lasts)}"


def _overlaps(run: str, flows: list[Record]) -> Iterator[str]:
    """Processes of one run that were there at one time; a process that nobody saw end is taken to be there still."""
    living: dict[tuple[int, int], float] = {}
    for flow in flows:
        me = (flow["pid"], flow["attempt"])
        if flow["what"] == "start":
            for (pid, attempt), since in living.items():
                yield (
                    f"attempt {flow['attempt']} of {run} started at {flow['mono']:.3f} in process {flow['pid']}, "
                    f"attempt {attempt} was there since {since:.3f} in {pid}"
                )
            living[me] = flow["mono"]
        else:
            living.pop(me, None)


def no_process_left(facts: Facts) -> Found:
    """A slot is given up after the process has ended; nothing is there at the end."""
    found = Found({"kills of agents with runs": 0, "ends judged": 0})
    found.occurred["kills of agents with runs"] = sum(
        fault["what"].startswith("kill agent") and fault["detail"].get("runs", 0) > 0 for fault in facts.faults
    )
    ended = {(run, one["attempt"]): one["mono"] for run, flows in facts.flows.items() for one in flows}
    started = {(run, one["attempt"]) for run, flows in facts.flows.items() for one in flows if one["what"] == "start"}
    open_ends = {(run, one["attempt"]) for run, flows in facts.flows.items() for one in _unended(flows)}
    for ack in [*facts.acks["finish"], *facts.acks["release"]]:
        tenure = facts.by_token.get((ack["runs"][0], ack["token"]))
        key = (ack["runs"][0], tenure.claim["attempt"] if tenure else None)
        if ack["answer"] != "ok" or key not in started:
            continue
        found.occurred["ends judged"] += 1
        if key in open_ends or ended[key] > ack["sent"]:
            found.violations.append(
                f"attempt {key[1]} of {key[0]} was reported as ended at {ack['sent']:.3f}, and ran on"
            )
    if facts.end and facts.end["processes"]:
        found.violations.append(f"{facts.end['processes']} processes of runs were left at the end")
    return found


def _unended(flows: list[Record]) -> Iterator[Record]:
    ended = Counter((flow["pid"], flow["attempt"]) for flow in flows if flow["what"] != "start")
    return (flow for flow in flows if flow["what"] == "start" and not ended[flow["pid"], flow["attempt"]])


def in_line(facts: Facts) -> Found:
    """First claims of a queue come in the order in which runs came; judged where only the queue's limit matters."""
    found = Found({"claims in order": 0, "wake-ups lost": facts.count("lose wake-up")})
    judged = {
        tenure.run
        for tenure in facts.tenures
        if tenure.claim["attempt"] == 1 and len(tenure.claim["held"]) == 1 and tenure.run not in facts.undone_runs
    }
    lines: dict[str, deque[str]] = defaultdict(deque)
    stood: set[str] = set()
    gone: set[str] = set()
    given = {run for ack in facts.acks["create"] if ack.get("due") for run in ack["runs"]}
    for move in facts.moves:
        run, line = move["run"], lines[move["queue"]]
        if run not in judged or run in given:
            continue
        if not move["from"] and move["to"] == "QUEUED" and move["actor"] != "scheduler":
            line.append(run)
            stood.add(run)
        elif move["to"] == "PENDING" and run in stood and run not in gone:
            _judge_place(move, line, gone, found)
        elif move["from"] == "QUEUED":
            gone.add(run)
    return found


def _judge_place(move: Record, line: deque[str], gone: set[str], found: Found) -> None:
    while line and line[0] in gone:
        line.popleft()
    found.occurred["claims in order"] += 1
    if line[0] != move["run"]:
        first = f"{move['run']} was claimed at {when(move['at'])} before {line[0]}"
        found.violations.append(f"{first}, which stood before it in {move['queue']}")
    gone.add(move["run"])
