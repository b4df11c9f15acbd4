"""`headgate profile` and `headgate --profile`: more than one installation from one machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from queues.address import embedded_socket
from queues.glance import glance
from tests.orchestrator.cli.conftest import Headgate
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until


@pytest.fixture
def alone(tmp_path: Path) -> Headgate:
    """The command with a home of its own and no address of a Redis."""
    return Headgate(folder=tmp_path)


@pytest.fixture
def lab(alone: Headgate) -> Headgate:
    """The same with a profile `lab` beside `default`."""
    file = alone.folder / "home" / "profiles.toml"
    file.parent.mkdir()
    file.write_text('[profiles.lab]\nredis_url = "redis://:s3cret@h:1"\nkill_seconds = 6\n')
    return alone


def test_a_day_with_profiles(alone: Headgate) -> None:
    assert alone("profile", "create", "lab").out.startswith("Created profile lab; ")
    assert alone("--profile", "lab", "config", "set", "spool_mb", "6").out.endswith(" in profile lab\n")
    alone("profile", "create", "prod", "--from", "lab")
    assert alone("profile", "use", "prod").out == "Profile prod is in use\n"
    assert alone("profile", "rename", "prod", "live").out == "Renamed profile prod to live\n"
    assert alone("profile", "delete", "lab", "--yes").out == "Deleted profile lab (spool_mb)\n"
    assert alone("profile", "ls").out.splitlines() == [
        "Name\tActive\tRedis\tHome\tSettings",
        "default\tno\t-\t-\t0",
        "live\tyes\t-\t-\t1",
    ]
    assert alone.json("version")["profile"] == "live"


def test_profiles_are_shown_without_passwords(lab: Headgate) -> None:
    file = str(lab.folder / "home" / "profiles.toml")
    row = lab.json("profile", "inspect", "lab")
    settings = {"redis_url": "redis://***@h:1", "kill_seconds": 6}
    assert row == {"name": "lab", "active": False, "file": file, "settings": settings}
    assert lab("profile", "inspect", "lab").out.endswith(
        "Setting\tValue\nredis_url\tredis://***@h:1\nkill_seconds\t6\n"
    )
    assert "s3cret" not in lab("profile", "ls", "-o", "jsonl").out


@pytest.mark.slow
def test_an_option_a_variable_and_the_file_choose_in_this_order(lab: Headgate) -> None:
    lab("profile", "use", "lab")
    assert lab.json("version")["profile"] == "lab"
    chosen = lab.with_settings(HEADGATE_PROFILE="default")
    assert chosen.json("version")["profile"] == "default"
    assert chosen.json("--profile", "lab", "version")["redis_url"] == "redis://***@h:1"
    assert "HEADGATE_PROFILE chooses default here and wins" in chosen("profile", "use", "lab").err


def test_an_unknown_profile_is_not_found_and_one_that_is_wanted_elsewhere_is_explained(lab: Headgate) -> None:
    answer = lab("--profile", "lba", "version", code=3)
    assert "no profile 'lba', which is chosen by --profile or HEADGATE_PROFILE; did you mean 'lab'?" in answer.err
    assert "it stands before the command: `headgate --profile NAME …`" in lab("version", "--profile", "lab", code=2).err
    assert lab("--profile", "lba", "profile", "use", "lab").code == 0
    for words in (
        ["use", "x"],
        ["inspect", "x"],
        ["delete", "x", "-y"],
        ["rename", "x", "y"],
        ["create", "y", "--from", "x"],
    ):
        assert "there is no profile 'x'" in lab("profile", *words, code=3).err


def test_what_can_not_be_is_refused_by_state_and_changes_nothing(lab: Headgate) -> None:
    lab("profile", "use", "lab")
    before = (lab.folder / "home" / "profiles.toml").read_bytes()
    for words, said in [
        (["create", "lab"], "there is a profile lab already"),
        (["delete", "lab", "--yes"], "profile lab is in use; `headgate profile use default`"),
        (["delete", "default", "--yes"], "always there and can not be deleted"),
        (["rename", "lab", "default"], "there is a profile default already"),
    ]:
        assert said in lab("profile", *words, code=4).err
    assert "1 to 128 of a-z 0-9 . _ -" in lab("profile", "create", "A B", code=2).err
    assert (lab.folder / "home" / "profiles.toml").read_bytes() == before


def test_deleting_asks_on_a_terminal_and_is_refused_where_nobody_can_be_asked(lab: Headgate) -> None:
    assert "--yes does it" in lab("profile", "delete", "lab", code=2).err
    assert lab("profile", "delete", "lab", "--dry-run").out == "Would delete profile lab (redis_url, kill_seconds)\n"
    for keys, code in (("\n", 1), ("\x03\x03", 130), ("y\n", 0)):
        assert "lab" in lab.json("profile", "ls")[1]["name"]
        words = ["profile", "delete", "lab"]
        with Terminal(lab.command(words), environment=lab.environment, folder=lab.folder) as terminal:
            terminal.shows("Delete profile lab (redis_url, kill_seconds)? [y/N] ")
            terminal.press(keys)
            assert terminal.ends() == code and "Traceback" not in terminal.screen()
    assert len(lab.json("profile", "ls")) == 1


@pytest.mark.slow
def test_a_profile_reaches_the_processes_that_a_command_starts(alone: Headgate) -> None:
    (alone.folder / "home").mkdir()
    alone.write("home/profiles.toml", "[profiles.default]\nkill_seconds = -1\n[profiles.lab]\nprefix = '{lab}'\n")
    words = ["--profile", "lab", "start", "--no-agent"]
    with Terminal(alone.command(words), environment=alone.environment, folder=alone.folder) as terminal:
        terminal.shows("scheduler started")
        url = f"unix://{embedded_socket(str(alone.folder / 'home'))}"
        wait_until(lambda: glance(url, [("EXISTS", "{lab}:scheduler")], within=1) == [1], 20, message=terminal.screen)
        terminal.press("\x03")
        assert terminal.ends() == 0
