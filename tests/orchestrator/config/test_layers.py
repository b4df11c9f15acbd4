"""Where settings come from besides the environment: the profile in use, the machine's file, a file with a password."""

import os
from pathlib import Path

import pytest

from orchestrator.config import Settings
from orchestrator.config.files import parse_toml
from orchestrator.errors import InvalidSettings, NotFound
from queues.address import parse_url


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """The environment of a user with a home folder and a machine file of the test's own."""
    (tmp_path / "machine.toml").touch()
    return {"HEADGATE_HOME": str(tmp_path), "HEADGATE_CONFIG_FILE": str(tmp_path / "machine.toml")}


def write(home: dict[str, str], machine: str = "", profiles: str = "") -> None:
    Path(home["HEADGATE_CONFIG_FILE"]).write_text(machine)
    Path(home["HEADGATE_HOME"], "profiles.toml").write_text(profiles)


def problems(environment: dict[str, str]) -> tuple[str, ...]:
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(environment)
    return caught.value.problems


def test_the_environment_wins_over_the_profile_and_that_over_the_machine(home: dict[str, str]) -> None:
    profile = 'active = "lab"\n[profiles.lab]\nkill_seconds = 2\ngrace_seconds = 4\n[profiles.other]\nspool_mb = 1\n'
    write(home, "kill_seconds = 3\ngrace_seconds = 5\nlate_seconds = 6\nrq_commands = false\n", profile)
    settings = Settings.load(home | {"HEADGATE_KILL_SECONDS": "1"})
    assert (settings.kill_seconds, settings.grace_seconds, settings.late_seconds) == (1, 4, 6)
    assert (settings.rq_commands, settings.spool_mb, settings.profile) == (False, 1024, "lab")
    assert settings.sources["grace_seconds"] == "grace_seconds in profile lab"
    assert settings.sources["late_seconds"] == f"late_seconds in {home['HEADGATE_CONFIG_FILE']}"


def test_a_variable_chooses_the_profile_and_one_that_is_not_there_is_named_with_the_nearest(
    home: dict[str, str],
) -> None:
    write(home, profiles='active = "lab"\n[profiles.lab]\nkill_seconds = 2\n[profiles.prod]\nkill_seconds = 3\n')
    assert Settings.load(home | {"HEADGATE_PROFILE": "prod"}).kill_seconds == 3
    assert Settings.load(home | {"HEADGATE_PROFILE": "default"}).kill_seconds == 5
    with pytest.raises(NotFound, match="no profile 'prd', which is chosen by --profile or HEADGATE_PROFILE") as caught:
        Settings.load(home | {"HEADGATE_PROFILE": "prd"})
    assert caught.value.hint == "did you mean 'prod'?"


def test_wrong_values_name_the_place_they_stand_in(home: dict[str, str]) -> None:
    write(home, "grace_seconds = true\nhome = 5", "[profiles.default]\nlease_seconds = 6\nkill_seconds = [1]\n")
    assert problems(home) == (
        "expected kill_seconds in profile default to be a number from 0 to 600, got [1]",
        f"expected grace_seconds in {home['HEADGATE_CONFIG_FILE']} to be a number from 0 to 86400, got True",
        "expected lease_seconds in profile default to be more than twice HEADGATE_RENEW_SECONDS, got 6 and 5: "
        "one lost renewal would lose every run",
    )


def test_an_unknown_name_in_a_file_is_a_warning_with_the_nearest(home: dict[str, str]) -> None:
    write(home, "kil_seconds = 1\n", "[profiles.default.nested]\nx = 1\n")
    warnings = Settings.load(home | {"HEADGATE_PROFIL": "x", "HEADGATE_kill_seconds": "2"}).warnings
    assert warnings == (
        "HEADGATE_kill_seconds is no setting and has no effect; did you mean 'HEADGATE_KILL_SECONDS'?",
        "HEADGATE_PROFIL is no setting and has no effect; did you mean 'HEADGATE_PROFILE'?",
        "nested in profile default is no setting and has no effect; it may belong to another version",
        f"kil_seconds in {home['HEADGATE_CONFIG_FILE']} is no setting and has no effect; did you mean 'kill_seconds'?",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"kill_seconds = 1\nspool mb = 2\n", ":2:7: Expected '=' after a key"),
        (b"a = 'x", ":1: "),
        (b"a = " + b"[" * 5000, ":1: "),
        (b"a = 1\nb = '\xff'\n", ":2: expected UTF-8 text, got byte 0xff"),
        ("kill_seconds = 1".encode("utf-16"), ":1: expected UTF-8 text"),
        (b"#" * (1 << 20) + b"#", "larger than 1,048,576 bytes"),
    ],
)
def test_a_file_that_can_not_be_read_is_refused_with_its_line(home: dict[str, str], content: bytes, said: str) -> None:
    for path in (home["HEADGATE_CONFIG_FILE"], f"{home['HEADGATE_HOME']}/profiles.toml"):
        write(home)
        Path(path).write_bytes(content)
        (problem,) = problems(home)
        assert path in problem and said in problem


def test_marks_and_line_ends_of_other_systems_are_read(home: dict[str, str]) -> None:
    Path(home["HEADGATE_CONFIG_FILE"]).write_bytes(b"\xef\xbb\xbfkill_seconds = 1\r\n")
    assert Settings.load(home).kill_seconds == 1


def test_a_pipe_a_folder_and_a_link_to_itself_in_place_of_a_file_hold_nothing_up(
    home: dict[str, str], tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "pipe"):
        assert "a folder, a pipe or a device" in problems(home | {"HEADGATE_CONFIG_FILE": str(path)})[0]
    with pytest.raises(OSError, match="loop"):
        Settings.load(home | {"HEADGATE_CONFIG_FILE": str(tmp_path / "loop")})


def test_a_machine_file_that_is_named_must_be_there_and_dev_null_means_none(home: dict[str, str]) -> None:
    (problem,) = problems(home | {"HEADGATE_CONFIG_FILE": "/no/such.toml"})
    assert problem == "expected HEADGATE_CONFIG_FILE to be a settings file, got '/no/such.toml', which is not there"
    assert Settings.load(home | {"HEADGATE_CONFIG_FILE": os.devnull}).sources == {"home": "HEADGATE_HOME"}


@pytest.mark.parametrize(
    ("url", "user"),
    [
        ("redis://h:1/2", None),
        ("rediss://ann@h/2", "ann"),
        ("unix:///s?db=2", None),
        ("redis+sentinel://a,b/m/2", None),
    ],
)
def test_a_password_may_stand_in_a_file_of_its_own(home: dict[str, str], tmp_path: Path, url: str, user: str) -> None:
    (tmp_path / "password").write_text("s3:cr@t/%?#\n")
    given = {"HEADGATE_REDIS_URL": url, "HEADGATE_REDIS_PASSWORD_FILE": str(tmp_path / "password")}
    settings = Settings.load(home | given)
    address = parse_url(settings.redis_url or "")
    assert (address.password, address.username, address.db) == ("s3:cr@t/%?#", user, 2)
    assert "s3:cr" not in repr(settings) + (settings.redis_address or "")


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff", b"x" * 5000, None])
def test_a_password_file_that_holds_none_is_refused_unread(
    home: dict[str, str], tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "password").write_bytes(content)
    given = {"HEADGATE_REDIS_URL": "redis://h", "HEADGATE_REDIS_PASSWORD_FILE": str(tmp_path / "password")}
    (problem,) = problems(home | given)
    assert problem.startswith("expected HEADGATE_REDIS_PASSWORD_FILE to be a file that holds the password of Redis")


@pytest.mark.parametrize("url", [None, "redis://:one@h", "redis://h?sentinel_password=x", "redis://ann:a@b@h"])
def test_a_password_file_goes_with_an_address_without_a_password(home: dict[str, str], url: str | None) -> None:
    given = {"HEADGATE_REDIS_PASSWORD_FILE": "/x"} | ({"HEADGATE_REDIS_URL": url} if url else {})
    (problem,) = problems(home | given)
    assert "expected HEADGATE_REDIS_URL to be an address without a password" in problem and "one@" not in problem


@pytest.mark.parametrize(
    "text, shown",
    [
        ("redis_url = redis://:s3cret@h\n", "redis_url = …\n            ^"),
        ("kill_seconds = 6\nkill_seconds = 7\n", "kill_seconds = …\n               ^"),
        ("[profiles.lab\nx = 1\n", "[profiles.lab…\n             ^"),
        ('redis_url = """\ns3cret" x\n', ""),
        ("s3cret\n", ""),
    ],
)
def test_a_broken_line_is_pointed_at_and_no_value_is_shown(tmp_path: Path, text: str, shown: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        parse_toml(text, tmp_path / "config.toml")
    problem, _, pointed = caught.value.problems[0].partition("\n")
    assert problem.startswith(f"{tmp_path}/config.toml:") and pointed.rstrip("\n") == shown.rstrip("\n")
    assert "s3cret" not in str(caught.value)
