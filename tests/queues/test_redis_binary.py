"""Finding a server program: the system's before the bundled one, never one that is too old."""

from pathlib import Path

import pytest

from queues.errors import RedisNotStarted
from queues.redis_binary import find_binaries, find_binary, loader_free


def program(folder: Path, name: str, says: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{says}\n")
    path.chmod(0o755)
    return path


def says_version(text: str) -> str:
    return f"echo '{text}'"


@pytest.fixture(autouse=True)
def nothing_bundled(monkeypatch):
    monkeypatch.setattr("queues.redis_binary._bundled", list)


def test_the_first_new_enough_program_on_path_is_taken(tmp_path):
    program(tmp_path / "a", "redis-server", says_version("Redis server v=6.2.5 sha=0"))
    program(tmp_path / "b", "valkey-server", says_version("Valkey server v=8.0.1 sha=0"))
    found = find_binary({"PATH": f"{tmp_path}/a:{tmp_path}/b"})
    assert (found.kind, found.version, found.reads) == ("valkey", "8.0.1", (7, 2))


def test_programs_that_fail_or_say_something_else_are_passed_over(tmp_path):
    program(tmp_path / "a", "redis-server", "exit 1")
    program(tmp_path / "b", "redis-server", "echo hello")
    with pytest.raises(RedisNotStarted) as missing:
        find_binary({"PATH": f"{tmp_path}/a:{tmp_path}/b"})
    assert missing.value.code == "no_binary"


def test_the_environment_s_own_program_is_not_the_system_s(tmp_path, monkeypatch):
    program(tmp_path / "bin", "redis-server", says_version("Redis server v=7.0.0 sha=0"))
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    assert list(find_binaries({"PATH": f"{tmp_path}/bin"})) == []


def test_the_bundled_program_is_the_last_resort(tmp_path, monkeypatch):
    system = program(tmp_path / "a", "redis-server", says_version("Redis server v=7.0.0 sha=0"))
    bundled = program(tmp_path / "b", "redis-server", says_version("Redis server v=6.2.14 sha=0"))
    monkeypatch.setattr("queues.redis_binary._bundled", lambda: [bundled.resolve()])
    found = [binary.path for binary in find_binaries({"PATH": f"{tmp_path}/b:{tmp_path}/a"})]
    assert found == [str(system), str(bundled)]


def test_loader_variables_do_not_reach_the_program(tmp_path):
    program(tmp_path / "a", "redis-server", 'test -z "$LD_LIBRARY_PATH" && echo "Redis server v=7.0.0"')
    environ = {"PATH": f"{tmp_path}/a:/usr/bin", "LD_LIBRARY_PATH": "/conda/lib"}
    assert find_binary(environ).version == "7.0.0"
    assert loader_free(environ) == {"PATH": environ["PATH"]}


@pytest.mark.parametrize(("tool", "command"), [("dnf", "dnf install redis"), ("apk", "apk add redis")])
def test_the_install_command_is_that_of_the_system(tmp_path, tool, command):
    program(tmp_path / "a", tool, "exit 0")
    with pytest.raises(RedisNotStarted) as missing:
        find_binary({"PATH": f"{tmp_path}/a"})
    assert command in missing.value.hint
