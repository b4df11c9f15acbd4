"""Loads the Lua scripts, one per verb, and calls them: msgpack in, msgpack out, error replies as typed errors."""

from collections.abc import Callable, Mapping
from functools import cache
from hashlib import sha1
from importlib.resources import files
from itertools import chain
from typing import Any

import msgpack
import redis
from redis.exceptions import InvalidResponse, NoScriptError, RedisError

from queues import schemas
from queues.errors import (
    HeadgateQueueError,
    NewerSchema,
    RefusedByState,
    RequestReused,
    ScriptFailed,
    UnknownQueue,
    UnknownRun,
    WrongKeyType,
)
from queues.key_types import suspects, wrong_keys
from queues.keys import DEFAULT_PREFIX, DEFAULT_QUEUE, RQ_JOB_DATA, Keys, queue_id
from queues.outages import translate
from queues.states import HELD, INITIAL, LETTERS, TERMINAL, TRANSITIONS, State


def generated_lua() -> str:
    """Write the tables that the prelude takes from Python: the legal moves, and the constants of keys.py."""

    def names(states: frozenset[Any]) -> str:
        return "".join(f"{state}=true," for state in sorted(states))

    moves = [("", after) for after in sorted(INITIAL)]
    moves += [(before, after) for before, onward in TRANSITIONS.items() for after in sorted(onward)]
    edges = "".join(f" {before}>{after} " for before, after in moves)
    letters = "".join(f"{state}='{letter}'," for state, letter in LETTERS.items())
    data = "".join(f"\\{byte:03d}" for byte in RQ_JOB_DATA)
    return (
        f"local EDGES = '{edges}'\n"
        f"local HELD = {{{names(HELD)}}} local TERMINAL = {{{names(TERMINAL)}}}\n"
        f"local STATES = {{{names(frozenset(State))}}}\n"
        f"local LETTERS = {{{letters}}}\n"
        f"local SCHEMA = {{run={schemas.RUN}, queue={schemas.QUEUE}, agent={schemas.AGENT}, answer={schemas.ANSWER}, "
        f"deployment={schemas.DEPLOYMENT}}}\n"
        f"local NEEDS = {{run='{schemas.LABELS_NEED}'}}\n"
        f"local RQ_DATA = '{data}' local DEFAULT_QUEUE = {{'{DEFAULT_QUEUE}', '{queue_id(DEFAULT_QUEUE)}'}}\n"
    )


BASICS = ("basics",)
EARLY = {"renew": ("heartbeat",)}
"""What may answer a verb before the prelude is loaded: for the cheapest calls that is most of their time."""
PRELUDE = ("indexes", "records", "lines", "rq_view", "slots", "endings")
LATE = {"claim": ("alone",)}
"""What stands before one verb alone: a script that has two ideas is two files."""
PARTS = frozenset({*BASICS, *chain.from_iterable(EARLY.values()), *PRELUDE, *chain.from_iterable(LATE.values())})
"""Scripts that are no verbs: what the loader puts before them."""


@cache
def script_text(package: str, verb: str) -> str:
    """Put the basics, the generated tables and the prelude before the script of a verb in `package`/lua."""

    def texts(*parts: str) -> list[str]:
        return [files("queues").joinpath(f"lua/{part}.lua").read_text("utf-8") for part in parts]

    own = files(package).joinpath(f"lua/{verb}.lua").read_text("utf-8")
    return "".join([*texts(*BASICS, *EARLY.get(verb, ())), generated_lua(), *texts(*PRELUDE, *LATE.get(verb, ())), own])


class Scripts:
    """Calls the scripts of one package on one Redis; also knows the keys, for reads that need no script.

    `offset_us` is added to the time of Redis inside the scripts: tests travel with it.
    """

    def __init__(
        self, client: redis.Redis, prefix: str = DEFAULT_PREFIX, *, offset_us: int = 0, package: str = "queues"
    ) -> None:
        self.redis = client
        self.prefix = prefix
        self.keys = Keys(prefix)
        self.offset_us = offset_us
        self.package = package
        self._digests: dict[str, str] = {}

    def call(self, verb: str, **arguments: Any) -> Any:
        """Run one script and give its reply; bytes that are not UTF-8 come back as text with surrogate escapes."""
        # The msgpack of Redis knows no type for bytes: they travel as text.
        payload = msgpack.packb(arguments, use_bin_type=False, unicode_errors="surrogateescape")
        try:
            reply = self._run(verb, payload)
        except RedisError as failure:
            self._name_wrong_key(failure, arguments)
            raise translate(failure, self.address, verb) from failure
        try:
            answer = msgpack.unpackb(reply, unicode_errors="surrogateescape", strict_map_key=False, max_ext_len=0)
        except (ValueError, TypeError) as error:
            # Not what our scripts say: nothing else that comes on these connections can be trusted.
            self.redis.connection_pool.disconnect(inuse_connections=False)
            raise translate(InvalidResponse(f"Protocol Error: {reply!r:.80}"), self.address) from error
        if isinstance(answer, dict) and "err" in answer:
            raise typed_error(verb, answer)
        return answer

    def ask(self, read: Callable[[redis.Redis], Any]) -> Any:
        """Read from Redis without a script; failures are typed as those of scripts are."""
        try:
            return read(self.redis)
        except RedisError as failure:
            raise translate(failure, self.address) from failure

    def ask_many(self, read: Callable[[Any], object]) -> list[Any]:
        """Let `read` fill a pipeline, and give all answers in one round trip."""

        def run(client: redis.Redis) -> list[Any]:
            pipe = client.pipeline(transaction=False)
            read(pipe)
            return list(pipe.execute())

        return list(self.ask(run))

    @property
    def address(self) -> str:
        """Say where this Redis is, without its password."""
        where = self.redis.get_connection_kwargs()
        return str(where.get("path") or f"{where.get('host', 'localhost')}:{where.get('port', 6379)}")

    def now_us(self) -> int:
        """Read the time of Redis, with the offset, in microseconds since the epoch."""
        seconds, micros = self.ask(lambda client: client.time())
        return int(seconds) * 1_000_000 + int(micros) + self.offset_us

    def _name_wrong_key(self, failure: RedisError, arguments: Mapping[str, Any]) -> None:
        """Raise WrongKeyType when a script met a key of a wrong type: Redis says that it did, but not which."""
        if "WRONGTYPE" not in str(failure):
            return
        for wrong in self.wrong_keys(arguments):
            raise wrong from failure

    def wrong_keys(self, arguments: Mapping[str, Any]) -> list[WrongKeyType]:
        """Find the keys of another type than ours among those that a script met when called with these arguments."""
        keys = self.ask(lambda client: suspects(client, self.keys, arguments))
        found: list[WrongKeyType] = self.ask(lambda client: wrong_keys(client, self.prefix, keys))
        return found

    def _run(self, verb: str, payload: bytes) -> Any:
        tail = (1, self.prefix, payload, self.offset_us)
        if digest := self._digests.get(verb):
            try:
                return self.redis.evalsha(digest, *tail)
            except NoScriptError:
                pass  # Redis has restarted or its scripts were flushed
        # Loads and runs in one step: a flush between two would leave a call that was never made.
        text = script_text(self.package, verb)
        reply = self.redis.eval(text, *tail)
        self._digests[verb] = sha1(text.encode(), usedforsecurity=False).hexdigest()
        return reply


def typed_error(verb: str, answer: dict[str, Any]) -> HeadgateQueueError:
    """Make the exception that an error reply of a script stands for."""
    match answer["err"]:
        case "refused":
            return RefusedByState(answer["run"], answer["state"], answer["since"])
        case "unknown_run":
            return UnknownRun(answer["run"])
        case "unknown_queue":
            return UnknownQueue(answer["queue"])
        case "newer":
            return NewerSchema(answer["what"], answer.get("needs") or "")
        case "request_reused":
            return RequestReused(answer["request"])
        case other:
            return ScriptFailed(verb, f"answered {other}: {answer}")
