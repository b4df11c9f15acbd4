"""rq in one file, key names in keys.py, Lua in files, and no pickle, no sleep in tests, no name that says nothing."""

from pathlib import Path

import pytest

from queues.scripts import PARTS
from tests.rules import seams
from tests.rules.source_files import PRODUCT, ROOT, python_files, sample, tracked


def failures(check, sources):
    """Every sentence a check has to say about some files."""
    return "\n".join(error for source in sources for error in check(source))


def test_rq_is_imported_in_one_file():
    assert not (found := failures(seams.rq_errors, python_files(*PRODUCT))), found


def test_nothing_imports_pickle():
    assert not (found := failures(seams.pickle_errors, python_files())), found


def test_redis_key_names_stand_only_in_keys_files_and_lua():
    assert not (found := failures(seams.key_errors, python_files(*PRODUCT))), found


def test_lua_stands_in_files_and_goes_through_the_loader():
    assert not (found := failures(seams.lua_errors, python_files(*PRODUCT))), found


def test_tests_wait_for_conditions_and_never_sleep():
    tests = [source for source in python_files("tests") if source.path.rsplit("/", 1)[-1].startswith("test_")]
    assert not (found := failures(seams.sleep_errors, tests)), found


def test_file_names_tell_what_is_inside():
    errors = [error for path in tracked() if path.endswith((".py", ".lua")) for error in seams.name_errors(path)]
    assert not errors, "\n".join(errors)


def scripts():
    """Paths of the Lua verbs, without what the loader puts before them."""
    return [path for path in tracked() if path.endswith(".lua") and Path(path).stem not in PARTS]


def test_every_script_says_what_it_takes_and_returns():
    errors = [error for path in scripts() for error in seams.lua_header_errors(path, (ROOT / path).read_text())]
    assert not errors, "\n".join(errors)


def test_every_script_is_called_by_a_method():
    text = "\n".join(source.text for source in python_files(*PRODUCT))
    verbs = {path: path.rsplit("/", 1)[-1].removesuffix(".lua") for path in scripts() if path.startswith(PRODUCT)}
    assert [path for path, verb in verbs.items() if f'"{verb}"' not in text] == []


SLEEPY = "import time\ndef test_x():\n    time.sleep(1)"


@pytest.mark.parametrize(
    ("check", "path", "text", "sentence"),
    [
        (seams.rq_errors, "agent/presence.py", "from rq.worker import Worker", "only queues/rq_bridge.py knows it"),
        (seams.rq_errors, "agent/presence.py", 'import_module("rq")', "only queues/rq_bridge.py knows it"),
        (seams.pickle_errors, "tests/agent/test_x.py", "import pickle", "nothing here reads or writes pickles"),
        (seams.key_errors, "queues/runs.py", 'key = f"{prefix}:run:{run_id}"', "those stand in keys.py"),
        (seams.key_errors, "agent/x.py", 'key = "{headgate}:leases"', "those stand in keys.py"),
        (seams.lua_errors, "queues/x.py", "S = \"return redis.call('GET', KEYS[1])\"", "Lua in a Python string"),
        (seams.lua_errors, "queues/x.py", "client.eval(text, 0)", "past the loader"),
        (seams.sleep_errors, "tests/queues/test_x.py", SLEEPY, "a test never sleeps"),
    ],
)
def test_a_breach_of_a_seam_fails_with_a_sentence(check, path, text, sentence):
    assert sentence in "\n".join(check(sample(path, text)))


@pytest.mark.parametrize("path", ["agent/utils.py", "queues/common/claims.py", "orchestrator/cli/helpers.py"])
def test_a_name_that_says_nothing_fails(path):
    assert "says nothing" in seams.name_errors(path)[0]


def test_limits_and_docstrings_are_not_mistaken_for_keys():
    text = '"""Reads {headgate}:run:<id>."""\nlimit = f"queue:{name}"\ntext = "ends: now"'
    assert seams.key_errors(sample("queues/limits.py", text)) == []


def test_a_flow_or_task_under_test_may_take_its_time():
    slow = "@task(retries=1)\ndef slow():\n    time.sleep(1)\n@flow\nasync def main():\n    await asyncio.sleep(1)"
    assert seams.sleep_errors(sample("tests/orchestrator/sdk/test_x.py", slow)) == []


def test_a_script_without_a_head_fails():
    assert seams.lua_header_errors("queues/lua/claim.lua", "return 1")
    assert not seams.lua_header_errors("queues/lua/claim.lua", "-- Claims.\n-- ARGV[1]: args\n-- Returns: runs\n")
