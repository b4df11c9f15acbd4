"""Profiles and changes of settings: files replaced whole, by one command at a time."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.config import Profiles, Settings
from orchestrator.config.editing import change, unset
from orchestrator.config.files import toml_text
from orchestrator.config.profiles import HEADER
from orchestrator.errors import Invalid, InvalidSettings, NotFound, RefusedByState


@pytest.fixture
def profiles(tmp_path: Path) -> Profiles:
    """The profiles of a home folder that is not made yet."""
    return Profiles(tmp_path / "home" / "profiles.toml")


@pytest.fixture
def environment(profiles: Profiles) -> dict[str, str]:
    return {"HEADGATE_HOME": str(profiles.path.parent), "HEADGATE_CONFIG_FILE": os.devnull}


def test_default_is_always_there_and_in_use_until_another_one_is(profiles: Profiles) -> None:
    assert (profiles.all(), profiles.active()) == ({"default": {}}, "default")
    assert not profiles.path.parent.exists()
    profiles.create("lab", {"kill_seconds": 2.0})
    profiles.use("lab")
    assert (profiles.all(), profiles.active()) == ({"default": {}, "lab": {"kill_seconds": 2}}, "lab")


def test_files_and_their_folder_are_readable_by_their_owner_alone(profiles: Profiles) -> None:
    profiles.create("lab", {})
    modes = {path.name: path.stat().st_mode & 0o777 for path in [profiles.path.parent, *profiles.path.parent.iterdir()]}
    assert modes == {"home": 0o700, "profiles.toml": 0o600, "profiles.toml.lock": 0o600}


def test_a_renamed_profile_stays_in_use_and_keeps_its_place(profiles: Profiles) -> None:
    for name in ("a", "b", "c"):
        profiles.create(name, {"spool_mb": 1.0})
    profiles.use("b")
    profiles.rename("b", "z")
    assert (list(profiles.all()), profiles.active()) == (["default", "a", "z", "c"], "z")


def test_what_would_lose_something_is_refused(profiles: Profiles) -> None:
    profiles.create("a", {})
    profiles.create("b", {})
    profiles.use("b")
    before = profiles.path.read_text()
    refused = [
        lambda: profiles.create("a", {}),
        lambda: profiles.create("default", {}),
        lambda: profiles.delete("default"),
        lambda: profiles.delete("b"),
        lambda: Profiles(profiles.path, "a").delete("a"),
        lambda: profiles.rename("default", "x"),
        lambda: profiles.rename("a", "b"),
    ]
    for one in refused:
        with pytest.raises(RefusedByState):
            one()
    for unknown in (profiles.use, profiles.delete, profiles.settings):
        with pytest.raises(NotFound):
            unknown("zz")
    assert profiles.path.read_text() == before


def test_what_another_version_wrote_survives_a_change(profiles: Profiles, environment: dict[str, str]) -> None:
    profiles.path.parent.mkdir()
    head = 'active = "lab.1"\nnewer = [1, {a = 1}]\n[x.y]\nz = 1.5\n'
    profiles.path.write_text(head + '[profiles."lab.1"]\nfuture = 2026-01-01\nname = "a\\"\\u0007ü"\n')
    before = profiles.all()["lab.1"]
    change("kill_seconds", "7", environment)
    text = profiles.path.read_text()
    assert profiles.all()["lab.1"] == {**before, "kill_seconds": 7}
    assert text.startswith(HEADER) and "newer = [1, {a = 1}]" in text and "[x.y]\nz = 1.5" in text


def test_a_link_to_the_file_stays_a_link(profiles: Profiles, tmp_path: Path) -> None:
    profiles.path.parent.mkdir()
    profiles.path.symlink_to(tmp_path / "dotfiles.toml")
    profiles.create("lab", {})
    assert profiles.path.is_symlink() and "[profiles.lab]" in (tmp_path / "dotfiles.toml").read_text()


def test_changes_at_the_same_time_lose_nothing(profiles: Profiles) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: profiles.create(f"p{number}", {}), range(16)))
    assert len(profiles.all()) == 17


def test_a_value_is_written_as_its_type_and_read_back(environment: dict[str, str]) -> None:
    given = {"kill_seconds": "7", "home": "~/x", "rq_commands": "off", "redis_url": "redis://h", "spool_mb": "0.5"}
    for name, value in given.items():
        change(name, value, environment)
    settings = Settings.load(environment | {"HEADGATE_HOME": environment["HEADGATE_HOME"]})
    assert (settings.kill_seconds, settings.rq_commands, settings.redis_url) == (7, False, "redis://h")
    assert settings.spool_mb == 0.5 and Profiles.of(environment).all()["default"]["home"] == os.path.expanduser("~/x")


def test_what_can_not_be_used_is_refused_before_it_is_written(profiles: Profiles, environment: dict[str, str]) -> None:
    change("lease_seconds", "60", environment)
    change("renew_seconds", "25", environment)
    before = profiles.path.read_bytes()
    with pytest.raises(Invalid, match="expected kill_seconds to be a number from 0 to 600, got 'soon'"):
        change("kill_seconds", "soon", environment)
    with pytest.raises(InvalidSettings, match="got 30 and 25"):
        unset("lease_seconds", environment)
    with pytest.raises(Invalid) as caught:
        change("redis_url", "s3cret", environment)
    assert "s3cret" not in str(caught.value)
    assert profiles.path.read_bytes() == before


def test_a_broken_file_can_be_mended_one_setting_at_a_time(profiles: Profiles, environment: dict[str, str]) -> None:
    profiles.path.parent.mkdir()
    profiles.path.write_text("[profiles.default]\nkill_seconds = -1\nlease_seconds = 1\nspool_mb = 'x'\n")
    change("late_seconds", "3", environment)
    unset("spool_mb", environment)
    change("lease_seconds", "20", environment)
    with pytest.raises(InvalidSettings):
        Settings.load(environment)
    unset("kill_seconds", environment)
    assert Settings.load(environment).lease_seconds == 20


def test_taking_out_what_is_not_there_writes_nothing(profiles: Profiles, environment: dict[str, str]) -> None:
    assert unset("kill_seconds", environment).before is None
    assert not profiles.path.parent.exists()


def test_empty_tables_keep_their_heads() -> None:
    assert toml_text({"a": 1, "t": {"u": {}, "v": {"w": True}}}) == "a = 1\n\n[t.u]\n\n[t.v]\nw = true\n"
