"""The scripts as files, and how they are loaded and called."""

import re
from importlib.resources import files

import pytest

from queues.errors import RedisUnreachable, ScriptFailed
from queues.keys import DEFAULT_QUEUE, queue_id
from queues.scripts import PARTS, Scripts, generated_lua, script_text
from queues.states import INITIAL, State, may_move
from tests.queues.floor import Floor
from tests.support.redis_server import RedisServer

LUA = {path.name: path.read_text() for path in files("queues").joinpath("lua").iterdir()}
VERBS = sorted(name for name in LUA if name.removesuffix(".lua") not in PARTS)


@pytest.mark.parametrize("name", VERBS)
def test_every_script_says_what_it_does_takes_and_returns(name: str) -> None:
    header = re.match(r"(--.*\n)+", LUA[name])
    assert header and header.group().startswith(f"-- {name}: ")
    assert all(f"-- {part}" in header.group() for part in ("KEYS[1] ", "ARGV[1] ", "Returns "))


@pytest.mark.parametrize("name", sorted(LUA))
def test_no_script_scans_the_keys_or_joins_times_with_text(name: str) -> None:
    assert not re.search(r"'KEYS'|'SCAN'|KEYS\[[2-9]\]", LUA[name])
    assert not re.search(r"\.\. *NOW|NOW *\.\.", LUA[name]), "`..` keeps 14 digits of a number: use us()"


def test_the_generated_table_has_every_legal_move_and_no_other() -> None:
    edges = set(re.findall(r" (\w*)>(\w+) ", generated_lua().splitlines()[0]))
    legal = {(before, after) for before in State for after in State if may_move(before, after)}
    assert edges == legal | {("", state) for state in INITIAL}


def test_a_move_outside_the_table_is_refused_and_changes_nothing(floor: Floor, tmp_path: object) -> None:
    floor.make("r1")
    before = floor.dump()
    text = script_text("queues", "confirm").split("local run = load")[0]
    jump = text + "move(load('r1'), 'COMPLETED', 'test', '') return done('moved')"
    with pytest.raises(Exception, match="illegal move of r1 from QUEUED to COMPLETED"):
        floor.redis.eval(jump, 1, floor.keys.prefix, b"\x80", 0)
    assert floor.dump() == before


def test_scripts_that_are_flushed_right_before_every_call_are_called_all_the_same(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    evalsha = floor.redis.evalsha

    def flushed(*arguments: object) -> object:
        floor.redis.script_flush()
        return evalsha(*arguments)

    monkeypatch.setattr(floor.redis, "evalsha", flushed)
    floor.make("r1")
    floor.make("r2")
    assert floor.line() == ["r1", "r2"]


def test_a_flushed_script_is_loaded_again(floor: Floor) -> None:
    floor.make("r1")
    floor.redis.script_flush()
    floor.make("r2")
    assert floor.line() == ["r1", "r2"]


def test_a_script_that_stops_is_a_typed_error_with_its_name(floor: Floor) -> None:
    with pytest.raises(ScriptFailed, match="the script confirm failed"):
        floor.scripts.call("confirm", run=None)


def test_a_redis_that_is_gone_is_unreachable_and_away(own_redis: RedisServer) -> None:
    scripts = Scripts(own_redis.client())
    assert scripts.now_us() > 0
    own_redis.kill()
    for ask in (scripts.now_us, lambda: scripts.call("promote", limit=1)):
        with pytest.raises(RedisUnreachable) as caught:
            ask()
    assert caught.value.away


def test_the_queue_that_is_always_there_has_the_same_id_everywhere(floor: Floor) -> None:
    floor.make("r1")
    assert floor.redis.hget(floor.keys.queue(DEFAULT_QUEUE), "id").decode() == queue_id(DEFAULT_QUEUE)


def test_installations_with_other_prefixes_do_not_meet(floor: Floor) -> None:
    other = Floor(Scripts(floor.redis, "{other}"))
    floor.make("r1")
    other.make("r1", "r2")
    assert other.claim_ids(9) == ["r1", "r2"] and floor.line() == ["r1"]


def test_every_key_written_is_one_that_keys_spells(floor: Floor) -> None:
    floor.queues.create("ml", limit=1)
    floor.limits.set("tag:gpu", 1, "ann")
    floor.start("r1", queue="ml", limits=("tag:gpu",), groups=("deployment:d",), data={"parameters": b""})
    floor.make("r2", limits=("tag:gpu",))
    floor.make("r3", due_us=floor.scripts.now_us() + 10**9)
    floor.claim(9)
    floor.claim(9)
    floor.runs.cancel("r1", actor="ann", request_id="q1")
    keys = floor.keys
    plain = {value for value in vars(keys).values() if isinstance(value, str)}
    runs = {spell(f"r{number}") for spell in (keys.run, keys.data, keys.rq_job) for number in (1, 2, 3)}
    places = {spell(q) for spell in (keys.queue, keys.waiting, keys.idle, keys.rq_queue) for q in ("ml", "default")}
    parked = {keys.parked("tag:gpu", "default"), keys.parked_lines("tag:gpu"), keys.parked_limits("default")}
    others = {keys.agent_runs("a1"), keys.idling("a1"), keys.wake("a1"), keys.wake("scheduler"), keys.request("q1")}
    spelled = plain | runs | places | parked | others | {keys.state(state) for state in State}
    spelled |= {keys.holders(limit) for limit in ("queue:ml", "queue:default", "tag:gpu")}
    spelled |= {keys.group("deployment:d"), keys.request("claim-1")}
    assert {key.decode() for key in floor.dump()} <= spelled
