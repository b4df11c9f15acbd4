"""Twelve ways in which the product could be wrong, to show that the checker sees each of them.

A mutant replaces a few words of a script, or of a Python function, in this process only, while `applied` lasts. It
insists that the words are there: a mutant of a line that has gone is an error, not a mutant that nothing catches.
"""

from __future__ import annotations

import inspect
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

import redis as redis_py

from orchestrator.scheduler import passes, tick
from queues import scripts
from tests.chaos.checker import Report, check
from tests.chaos.protocol_stepped import WEIGHTS, Stepped


@dataclass(frozen=True)
class Lua:
    """Words of a script; without a verb, words of the prelude that every script begins with."""

    old: str
    new: str
    verb: str | None = None
    package: str = "queues"


@dataclass(frozen=True)
class Python:
    """Words of a function that the passes of the scheduler call or have."""

    function: Callable[..., object]
    old: str
    new: str


@dataclass(frozen=True)
class Mutant:
    """A named mistake, and the promise that must be seen broken by it."""

    name: str
    breaks: str
    changes: tuple[Lua | Python, ...]
    needs: str = ""
    """The fault of the stepped world that brings it to light, which is to be frequent."""


MUTANTS = (
    Mutant(
        "no cap check",
        "I2",
        (
            Lua("room(line.limit) >= 1 and ", "", "claim"),
            Lua("if room(limit) < 1 then return limit end", "", "claim"),
        ),
    ),
    Mutant(
        "no token check",
        "I3",
        (Lua("and run.token == us(A.token) and run.claim == A.claim", ""),),
        needs="cut off agent",
    ),
    Mutant(
        "no expiry",
        "I5",
        (Lua("for i = 1, #ended, 2 do end_lease(", "for i = 1, 0 do end_lease(", "expire"),),
        needs="kill agent",
    ),
    # The harness says `dies` in a claim of an agent that is dead before its answer: here, after the first of two steps.
    Mutant(
        "pop before write",
        "I1",
        (
            Lua(
                "local function start(run)\n  leave_line(run)",
                "local function start(run)\n  leave_line(run)\n  if A.dies then A.count = 0 return nil end",
                "claim",
            ),
        ),
        needs="kill agent in a claim",
    ),
    # The counter counts while the limit has a number; a set of holders knows who was there before it had one.
    Mutant(
        "counter instead of set",
        "I2",
        (
            Lua("call('ZCARD', P .. 'holders:' .. limit)", "tonumber(call('HGET', P .. 'held', limit) or 0)"),
            Lua(
                "    call('ZADD', P .. 'holders:' .. limit, AT, run.id)\n",
                "    call('ZADD', P .. 'holders:' .. limit, AT, run.id)\n"
                "    if call('HEXISTS', P .. 'limits', limit) == 1 then call('HINCRBY', P .. 'held', limit, 1) end\n",
            ),
            Lua(
                "    if call('ZREM', P .. 'holders:' .. limit, run.id) == 1",
                "    if call('HEXISTS', P .. 'limits', limit) == 1 then call('HINCRBY', P .. 'held', limit, -1) end\n"
                "    if call('ZREM', P .. 'holders:' .. limit, run.id) == 1",
            ),
        ),
        needs="change limit",
    ),
    Mutant(
        "cursor before create",
        "I4",
        (
            Python(tick.tick, 'gone = create(store, runs)\n    reached("created")\n', "gone = {}\n"),
            Python(
                tick.tick,
                'reached("advanced")\n',
                'reached("created")\n    create(store, runs)\n    reached("advanced")\n',
            ),
        ),
        needs="crash scheduler",
    ),
    # The harness's agents say what their clocks show; the product takes no notice.
    Mutant("client clock", "I3", (Lua("local clock = call('TIME')", "local clock = A.clock or call('TIME')"),)),
    Mutant("no request id", "I0", (Lua("local kept = id and call('GET', P .. 'request:' .. id)", "local kept = nil"),)),
    Mutant(
        "requeue before grace",
        "I3",
        (
            Lua("us(NOW - A.grace_us), 'WITHSCORES'", "us(NOW), 'WITHSCORES'", "expire"),
            Python(
                passes.Passes._until_expiry,
                "pulse.next_deadline_us + self._grace_us",
                "pulse.next_deadline_us",
            ),
        ),
        needs="freeze agent",
    ),
    Mutant("finish without slot release", "I5", (Lua("  rq_job(run)\n  free(run)\nend", "  rq_job(run)\nend"),)),
    # A release that is sent again is done again, whoever holds the run by then.
    Mutant(
        "double release",
        "I0",
        (
            Lua(
                "if not owned(run) then",
                "if not owned(run) and not (HELD[run.state] and run.settled == mark) then",
                "release",
            ),
        ),
    ),
    # Redis numbers the lines as they come, instead of the agent as they were written.
    Mutant(
        "log without sequence",
        "I6",
        (
            Lua(
                "elseif A.attempt == attempt and A.last <= last then\n  return cmsgpack.pack('known')\nelse\n",
                "else\n  local rows = cmsgpack.unpack(A.batch)\n  if A.attempt ~= attempt then last = 0 end\n"
                "  rows[1], A.last = last + 1, last + #rows[2]\n  A.batch = cmsgpack.pack(rows)\n",
                "append_log",
                "orchestrator.store",
            ),
        ),
    ),
)


@contextmanager
def applied(mutant: Mutant) -> Iterator[None]:
    """Run the body against the product with this mistake in it; AssertionError when the words are not there."""
    plain = scripts.script_text

    def text_of(package: str, verb: str) -> str:
        text = plain(package, verb)
        for change in mutant.changes:
            if isinstance(change, Lua) and (change.verb is None or (change.package, change.verb) == (package, verb)):
                text = replaced(text, change.old, change.new, f"{verb}.lua")
        return text

    for change in mutant.changes:  # at once, and not only when the script is first called
        if isinstance(change, Lua):
            text_of(change.package, change.verb or "claim")
    with ExitStack() as stack:
        stack.enter_context(patch.object(scripts, "script_text", text_of))
        for function in dict.fromkeys(change.function for change in mutant.changes if isinstance(change, Python)):
            _apply(function, [change for change in mutant.changes if isinstance(change, Python)], stack)
        yield


def replaced(text: str, old: str, new: str, where: str) -> str:
    """The text with the words exchanged, which must stand there exactly once."""
    assert text.count(old) == 1, f"{where} has {text.count(old)} times: {old!r}; the mutant has to be written anew"
    return text.replace(old, new)


def _apply(function: Callable[..., object], changes: list[Python], stack: ExitStack) -> None:
    text = textwrap.dedent(inspect.getsource(function))
    for change in changes:
        text = replaced(text, change.old, change.new, function.__qualname__)
    module = sys.modules[function.__module__]
    made: dict[str, Callable[..., object]] = {}
    exec(compile(text, f"<mutant of {function.__qualname__}>", "exec", flags=0), vars(module), made)
    owner = passes.Passes if "." in function.__qualname__ else passes
    stack.enter_context(patch.object(owner, function.__name__, made[function.__name__]))


def caught(mutant: Mutant, client: redis_py.Redis, seeds: Iterable[int], *, rounds: int = 130) -> tuple[int, Report]:
    """Step worlds with this mistake until the checker sees the promise broken; gives the last seed and its report."""
    weights = {mutant.needs: 3 * WEIGHTS[mutant.needs]} if mutant.needs else {}
    for seed in seeds:
        with applied(mutant):
            history = Stepped(client, seed, rounds=rounds, weights=weights).run()
        report = check(history)
        if mutant.breaks in report.broken():
            break
    return seed, report
