"""`headgate config` and the settings that every command starts with: wrong ones, unknown ones, files that fail."""

from __future__ import annotations

import os
import resource
import subprocess
from pathlib import Path

import pytest

from tests.orchestrator.cli.conftest import Headgate
from tests.support.small_disk import fill, small_disk
from tests.support.terminal import Terminal

SECRET = "redis://ann:s3cr@t@127.0.0.1:1/0"


@pytest.fixture
def alone(tmp_path: Path) -> Headgate:
    """The command with a home of its own and no address of a Redis."""
    return Headgate(folder=tmp_path)


def file_of(headgate: Headgate) -> Path:
    return headgate.folder / "home" / "profiles.toml"


def test_every_command_and_role_refuses_wrong_settings_naming_all_of_them(alone: Headgate) -> None:
    wrong = alone.with_settings(HEADGATE_KILL_SECONDS="soon", HEADGATE_RQ_COMMANDS="", HEADGATE_REDIS_URL="h:s3cret")
    for words in (["version"], ["scheduler", "start"], ["agent", "start"], ["work-queue", "ls", "-o", "json"]):
        answer = wrong(*words, code=2)
        for name in ("HEADGATE_KILL_SECONDS", "HEADGATE_RQ_COMMANDS", "HEADGATE_REDIS_URL"):
            assert f"expected {name} to be " in answer.err
        assert "s3cret" not in answer.err and answer.out == ""
    assert not (alone.folder / "home").exists()


def test_an_unknown_variable_is_a_warning_with_the_nearest_and_small_letters_are_unknown(alone: Headgate) -> None:
    answer = alone.with_settings(HEADGATE_KIL_SECONDS="1", HEADGATE_kill_seconds="2")("config", "view", "-o", "json")
    assert "HEADGATE_KIL_SECONDS is no setting and has no effect; did you mean 'HEADGATE_KILL_SECONDS'?" in answer.err
    assert "HEADGATE_kill_seconds is no setting" in answer.err
    assert {row["name"]: row["value"] for row in answer.json()}["kill_seconds"] == 5


def test_view_says_where_each_value_comes_from_and_shows_no_password(alone: Headgate) -> None:
    machine = alone.folder / alone.write("machine.toml", f"redis_url = '{SECRET}'\nspool_mb = 7\n")
    alone("config", "set", "kill_seconds", "6")
    headgate = alone.with_settings(HEADGATE_CONFIG_FILE=str(machine), HEADGATE_LATE_SECONDS="9")
    rows = {row["name"]: (row["value"], row["origin"]) for row in headgate.json("config", "view")}
    assert rows["late_seconds"] == (9, "HEADGATE_LATE_SECONDS")
    assert rows["kill_seconds"] == (6, "profile default")
    assert rows["spool_mb"] == (7, str(machine))
    assert rows["redis_url"] == ("redis://***@127.0.0.1:1/0", str(machine))
    assert rows["grace_seconds"] == (2, "default")
    assert "s3cr" not in headgate("config", "view").out


def test_set_takes_a_setting_by_any_spelling_and_unset_gives_it_back(alone: Headgate) -> None:
    assert alone("config", "set", "HEADGATE_KILL_SECONDS", "6").out == "Set kill_seconds to 6 in profile default\n"
    changed = alone.json("config", "set", "kill-seconds", "7")
    assert (changed["name"], changed["before"], changed["value"]) == ("kill_seconds", 6, 7)
    warned = alone.with_settings(HEADGATE_KILL_SECONDS="1")("config", "unset", "kill_seconds")
    assert warned.out == "Unset kill_seconds in profile default; it was 7\n"
    assert warned.err == "Warning: HEADGATE_KILL_SECONDS is set in this environment and wins over the profile\n"
    assert "nothing was changed" in alone("config", "unset", "kill_seconds").out


def test_what_can_not_be_set_is_refused_and_nothing_is_written(alone: Headgate) -> None:
    for words, said in [
        (["set", "kill_second", "1"], "there is no setting 'kill_second'; did you mean 'kill_seconds'?"),
        (["set", "kill_seconds", "-1"], "expected kill_seconds to be a number from 0 to 600, got '-1'"),
        (["set", "lease_seconds", "3"], "more than twice HEADGATE_RENEW_SECONDS, got 3 and 5"),
        (["set", "redis_url", SECRET], "`headgate config set redis_url -` reads it from standard input"),
        (["set", "redis_url", "s3cr@t"], "expected redis_url to be an address that begins with redis://"),
        (["set", "redis_url", "-"], "expected one line on standard input, got nothing"),
    ]:
        answer = alone("config", *words, code=2)
        assert said in answer.err and "s3cr" not in answer.err
    assert not (alone.folder / "home").exists()


def test_a_password_is_read_from_standard_input_and_never_shown(alone: Headgate) -> None:
    answer = alone("config", "set", "redis_url", "-", stdin=f"{SECRET}\n")
    assert answer.out == "Set redis_url to redis://***@127.0.0.1:1/0 in profile default\n"
    assert SECRET in file_of(alone).read_text()
    assert "s3cr" not in alone("profile", "inspect").out + alone("version").out + alone("work-queue", "ls", code=5).err


def test_a_password_typed_on_a_terminal_is_not_drawn(alone: Headgate) -> None:
    words = ["config", "set", "redis_url", "-"]
    with Terminal(alone.command(words), environment=alone.environment, folder=alone.folder) as terminal:
        terminal.shows("redis_url: ")
        terminal.press(f"{SECRET}\n")
        assert terminal.ends() == 0
        assert "s3cr" not in terminal.screen()
    assert SECRET in file_of(alone).read_text()


def refusals_of_homes(folder: Path) -> dict[str, str]:
    """Homes in which nothing can be written -> the words of the system."""
    (folder / "file").touch()
    (folder / "strange" / "inner").mkdir(parents=True)
    homes = {
        "/sys/headgate": "ermi",
        str(folder / "file"): "File exists",
        str(folder / "file" / "x"): "Not a directory",
    }
    if os.geteuid() == 0:
        os.chown(folder / "strange", 65534, 65534)
        homes[str(folder / "strange")] = "it belongs to user 65534 and you are user 0: Operation not permitted (EPERM)"
    return homes


def test_a_home_that_can_not_be_written_is_told_with_its_path_and_the_words_of_the_system(alone: Headgate) -> None:
    for home, said in refusals_of_homes(alone.folder).items():
        answer = alone.with_settings(HEADGATE_HOME=home)("config", "set", "kill_seconds", "6", code=1)
        assert home in answer.err and said in answer.err and answer.err.count("\n") == 1
    assert not list((alone.folder / "strange").glob("*.toml*"))


def test_a_write_that_fails_in_the_middle_leaves_the_old_file(alone: Headgate) -> None:
    alone("config", "set", "kill_seconds", "6")
    before = {path.name: path.read_bytes() for path in file_of(alone).parent.iterdir()}
    done = subprocess.run(
        alone.command(["config", "set", "kill_seconds", "7"]),
        env=alone.environment,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16)),
    )
    assert (done.returncode, f"{file_of(alone)}: File too large (EFBIG)" in done.stderr) == (1, True)
    assert {path.name: path.read_bytes() for path in file_of(alone).parent.iterdir()} == before


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_file(alone: Headgate) -> None:
    with small_disk(64) as disk:
        headgate = alone.with_settings(HEADGATE_HOME=str(disk))
        headgate("config", "set", "kill_seconds", "6")
        before = (disk / "profiles.toml").read_bytes()
        fill(disk, leave=0)
        answer = headgate("config", "set", "kill_seconds", "7", code=1)
        assert f"{disk}/profiles.toml: No space left on device (ENOSPC)" in answer.err
        assert (disk / "profiles.toml").read_bytes() == before
        assert sorted(os.listdir(disk)) == ["ballast", "profiles.toml", "profiles.toml.lock"]


def test_a_broken_settings_file_is_told_with_its_line_by_every_command(alone: Headgate) -> None:
    file_of(alone).parent.mkdir()
    file_of(alone).write_text("active = default\n")
    error = alone("work-queue", "ls", "-o", "json", code=2).error()
    told = f"{file_of(alone)}:1:10: Invalid value\nactive = …\n         ^"
    assert (error["code"], error["message"]) == ("settings", told) and "text in quotes" in str(error["hint"])
    assert f"{file_of(alone)}:1:10" in alone("config", "set", "kill_seconds", "6", code=2).err
    assert file_of(alone).read_text() == "active = default\n"
