"""Settings: read once, checked together, every problem told at once, no password shown."""

from pathlib import Path

import pytest

from orchestrator.config import Layer, Settings
from orchestrator.config.values import has_password, without_secrets
from orchestrator.errors import InvalidSettings


def problems(**environment: str) -> tuple[str, ...]:
    """What is wrong with some variables."""
    with pytest.raises(InvalidSettings) as caught:
        Settings.load({f"HEADGATE_{name}": value for name, value in environment.items()})
    assert caught.value.exit_code == 2
    return caught.value.problems


def test_without_anything_set_the_defaults_hold() -> None:
    settings = Settings.load({"HOME": "/h"})
    assert (settings.home, settings.redis_url, settings.prefix) == (Path("/h/.headgate"), None, "{headgate}")
    assert (settings.lease_seconds, settings.renew_seconds, settings.grace_seconds) == (30, 5, 2)
    assert (settings.drain_seconds, settings.kill_seconds, settings.outage_seconds) == (None, 5, 120)
    assert settings.sources == {} and settings.warnings == ()


def test_every_problem_is_told_at_once_those_between_settings_too() -> None:
    found = problems(LEASE_SECONDS="6", RENEW_SECONDS="4", GRACE_SECONDS="-1", RQ_COMMANDS="maybe")
    assert found == (
        "expected HEADGATE_GRACE_SECONDS to be a number from 0 to 86400, got '-1'",
        "expected HEADGATE_RQ_COMMANDS to be 0 or 1, got 'maybe'",
        "expected HEADGATE_LEASE_SECONDS to be more than twice HEADGATE_RENEW_SECONDS, got 6 and 4: "
        "one lost renewal would lose every run",
    )


def test_a_broken_setting_is_not_blamed_twice() -> None:
    assert len(problems(LEASE_SECONDS="soon", RENEW_SECONDS="40")) == 1


@pytest.mark.parametrize("value", ["", "  ", "nan", "inf", "1e999", "1_000", "5s", "-0.1", "99999999"])
def test_a_number_is_a_finite_one_in_its_range(value: str) -> None:
    (problem,) = problems(KILL_SECONDS=value)
    assert "HEADGATE_KILL_SECONDS" in problem


@pytest.mark.parametrize("value", ["headgate", "{}", "{a}{b}", "a b{c}", "*{x}", "{x\n}", "{" + "x" * 60 + "}"])
def test_a_prefix_has_one_hash_tag(value: str) -> None:
    assert "in braces, as in {headgate}" in problems(PREFIX=value)[0]
    assert Settings.load({"HEADGATE_PREFIX": "team:{flows}"}).prefix == "team:{flows}"


@pytest.mark.parametrize("value", ["localhost:6379", "http://h", "redis:/h", "red is://h", "redis://a\nb"])
def test_an_address_has_a_scheme_and_is_never_repeated(value: str) -> None:
    (problem,) = problems(REDIS_URL=value)
    assert "begins with redis://" in problem and value not in problem


def test_no_password_is_shown() -> None:
    settings = Settings.load({"HEADGATE_REDIS_URL": "redis://ann:s3cr@t@host:1/0"})
    assert "s3cr" not in repr(settings)
    assert settings.redis_address == "redis://***@host:1/0"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://:s3c'r@host:1/0", "redis://***@host:1/0"),
        ('redis://ann:s3c"r@host:1/0', "redis://***@host:1/0"),
        ("redis://:s3c r@host:1/0", "redis://***@host:1/0"),
        ("redis://ann:a/b?s3c#@host:1/0", "redis://***@host:1/0"),
        ("redis://host:1/0?password=a@s3c'r&db=2", "redis://host:1/0?password=***&db=2"),
        ("rediss://host:1/0?password=s3c r&ssl_ca_certs=/ca.pem", "rediss://host:1/0?password=***&ssl_ca_certs=/ca.pem"),
        ("redis://host:x?password=a@s3c", "redis://***"),
        ("redis+sentinel://u:s3c'r@a:1,b:2/m?sentinel_password=s3c'r", "redis+sentinel://***@a:1,b:2/m?sentinel_password=***"),
        ("unix://u:s3c'r@/run/r.sock", "unix://***@/run/r.sock"),
    ],
)  # fmt: skip
def test_no_password_is_shown_whatever_it_is_made_of(url: str, shown: str) -> None:
    assert Settings.load({"HEADGATE_REDIS_URL": url}).redis_address == shown
    assert has_password(url)


@pytest.mark.parametrize("word", ["1?s3c", "s3c?1"])
def test_a_piece_of_a_password_that_looks_like_an_option_is_not_shown(word: str) -> None:
    assert "s3c" not in without_secrets(f"redis://u:{word}@host:1")


def test_an_unknown_variable_is_a_warning_with_the_nearest_name() -> None:
    marks = {"HEADGATE_RUN_ID": "a mark of ours", "HEADGATE_SDK": "another", "OTHER": "x"}
    settings = Settings.load({"HEADGATE_REDIS_ULR": "x", **marks})
    assert settings.warnings == (
        "HEADGATE_REDIS_ULR is no setting and has no effect; did you mean 'HEADGATE_REDIS_URL'?",
    )


def test_an_option_wins_over_the_environment_and_that_over_a_file() -> None:
    file = Layer(name="/etc/headgate/config.toml", values={"kill_seconds": 7, "grace_seconds": 3, "lease_seconds": 60})
    environment = {"HEADGATE_KILL_SECONDS": "6", "HEADGATE_GRACE_SECONDS": "1"}
    settings = Settings.load(environment, options={"kill_seconds": 2}, layers=(file,))
    assert (settings.kill_seconds, settings.grace_seconds, settings.lease_seconds) == (2, 1, 60)
    assert settings.sources["grace_seconds"] == "HEADGATE_GRACE_SECONDS"
    assert settings.sources["lease_seconds"] == "lease_seconds in /etc/headgate/config.toml"


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings.load({}).prefix = "{other}"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [("DURABILITY", "paranoid", "normal or strict"), ("INSTALLATION", "prod", "16 letters and digits")],
)
def test_durability_and_installation_are_of_few_words(name: str, value: str, allowed: str) -> None:
    assert allowed in problems(**{name: value})[0]
    given = {"HEADGATE_DURABILITY": "Strict", "HEADGATE_INSTALLATION": "0123456789abcdef"}
    assert Settings.load(given).strict and Settings.load(given).installation == "0123456789abcdef"
    assert not Settings.load({}).strict
