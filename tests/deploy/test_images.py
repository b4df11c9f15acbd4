"""Dockerfile and compose.yaml, as far as they can be judged without an engine that would build and start them."""

from __future__ import annotations

import re
import shlex
from typing import Any

import pytest

from tests.cli_page.command_tree import command_of, entries
from tests.deploy import plain_yaml
from tests.rules.source_files import ROOT

DOCKERFILE = ROOT / "deploy" / "Dockerfile"
COMPOSE: dict[str, Any] = plain_yaml.read((ROOT / "deploy" / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
INSTRUCTIONS = {"ARG", "FROM", "ENV", "WORKDIR", "RUN", "COPY", "USER", "STOPSIGNAL", "ENTRYPOINT", "CMD"}
SERVICE_KEYS = {
    "build",
    "command",
    "configs",
    "cpus",
    "depends_on",
    "entrypoint",
    "env_file",
    "environment",
    "healthcheck",
}
SERVICE_KEYS |= {
    "hostname",
    "image",
    "init",
    "labels",
    "logging",
    "mem_limit",
    "networks",
    "pids_limit",
    "ports",
    "user",
}
SERVICE_KEYS |= {
    "profiles",
    "pull_policy",
    "read_only",
    "restart",
    "secrets",
    "security_opt",
    "shm_size",
    "stop_signal",
}
SERVICE_KEYS |= {"cap_add", "cap_drop", "privileged", "stop_grace_period", "tmpfs", "ulimits", "volumes", "working_dir"}
"""Those of the compose specification that a service of ours might have."""
HEALTH_KEYS = {"test", "interval", "timeout", "retries", "start_period", "start_interval", "disable"}
DURATION = re.compile(r"([0-9]+)s")


def instructions() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile, lines that go on put together."""
    text = re.sub(r"\\\n\s*", " ", DOCKERFILE.read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in lines]


def stages() -> list[list[tuple[str, str]]]:
    """The instructions of each stage."""
    found: list[list[tuple[str, str]]] = []
    for one in instructions():
        if one[0] == "FROM":
            found.append([])
        if found:
            found[-1].append(one)
    return found


# ------------------------------------------------------------------ the image
def test_the_dockerfile_has_no_instruction_that_is_unknown_or_fetches_from_anywhere() -> None:
    assert {name for name, _ in instructions()} <= INSTRUCTIONS, "ADD, above all, is not among them"
    assert all(re.search(r":\S+", rest) and "latest" not in rest for name, rest in instructions() if name == "FROM")


def test_the_last_stage_runs_as_nobody_and_starts_without_a_shell() -> None:
    last = dict(stages()[-1])
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"]), (
        "a number, so that an orchestrator can see that it is not root"
    )
    assert last["ENTRYPOINT"] == '["headgate"]' and last["CMD"].startswith("[") and last["STOPSIGNAL"] == "SIGTERM"
    names = [name for name, _ in stages()[-1]]
    assert "RUN" not in names[names.index("USER") :]


def test_what_is_copied_is_there_and_goes_to_the_builder() -> None:
    allowed = [
        line[1:] for line in DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines() if line[:1] == "!"
    ]
    copied = [word for name, rest in stages()[0] if name == "COPY" for word in shlex.split(rest)[:-1]]
    assert sorted(copied) == sorted(allowed) and all((ROOT / word).exists() for word in copied)


def test_only_the_environment_reaches_the_image_that_is_kept() -> None:
    copies = [rest for name, rest in stages()[-1] if name == "COPY"]
    assert copies == ["--from=build /opt/headgate /opt/headgate"]
    assert stages()[0][0][1].split()[0] == stages()[1][0][1].split()[0], (
        "an environment needs the Python it was made with"
    )


# ------------------------------------------------------------------ compose
def test_every_key_is_one_of_the_compose_specification() -> None:
    assert set(COMPOSE) == {"name", "services", "networks", "volumes"}
    assert [(name, key) for name, one in SERVICES.items() for key in set(one) - SERVICE_KEYS] == []
    assert all(set(one["healthcheck"]) <= HEALTH_KEYS for one in SERVICES.values() if "healthcheck" in one)
    assert {one["build"]["dockerfile"] for one in SERVICES.values() if "build" in one} == {"deploy/Dockerfile"}


def test_every_name_that_is_used_is_declared() -> None:
    for one in SERVICES.values():
        assert set(one.get("networks", ())) <= set(COMPOSE["networks"])
        assert {mount.partition(":")[0] for mount in one.get("volumes", ())} <= set(COMPOSE["volumes"])
        for needed, how in one.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "healthcheck" in SERVICES[needed]


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_service_can_gain_rights_or_is_open_to_the_network(name: str) -> None:
    one = SERVICES[name]
    assert one["cap_drop"] == ["ALL"] and one["security_opt"] == ["no-new-privileges:true"] and "cap_add" not in one
    assert not {"privileged", "ports"} & set(one)
    assert name == "redis" or one["read_only"] is True
    assert one["image"] == "headgate" or re.search(r":\d", one["image"])


def test_redis_keeps_what_it_has_and_asks_for_a_password_that_no_argument_shows() -> None:
    script = SERVICES["redis"]["command"][2]
    assert "--appendonly yes" in script and "--maxmemory-policy noeviction" in script
    assert script.startswith("printf 'requirepass") and "| exec redis-server -" in script
    assert ":?" in SERVICES["redis"]["environment"]["REDIS_PASSWORD"], "there is no password by default"
    assert COMPOSE["networks"]["backend"] == {"internal": True} and SERVICES["redis"]["networks"] == ["backend"]


def test_the_commands_are_commands_with_options_that_they_have() -> None:
    known = entries()
    for one in SERVICES.values():
        if one["image"] == "headgate" and "command" in one:
            entry = command_of(one["command"], known)
            given = [word for word in one["command"] if word.startswith("--")]
            assert set(given) <= set(entry.options), one["command"]


def test_an_agent_is_probed_where_it_answers_and_stopped_after_its_drain() -> None:
    agent = SERVICES["agent"]
    port = agent["command"][agent["command"].index("--health-port") + 1]
    assert f"127.0.0.1:{port}/health" in agent["healthcheck"]["test"][-1]
    grace = DURATION.fullmatch(agent["stop_grace_period"])
    assert grace and int(grace[1]) >= int(agent["environment"]["HEADGATE_DRAIN_SECONDS"]) + 30


@pytest.mark.parametrize("text", ["a: 'x'", "a: 1\na: 2", "a:\n  b: 1\n   c: 2", "a: b: c", "a: &x 1", "- a\nb: 1"])
def test_what_this_reader_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(AssertionError):
        plain_yaml.read(text)


def test_what_it_reads_is_what_was_written() -> None:
    text = '# x\na:\n  - b\n  - "c # d"\ne: {}\nf: ["g", "h"]\ni:\n  j: 5\n  k: true\n'
    assert plain_yaml.read(text) == {"a": ["b", "c # d"], "e": {}, "f": ["g", "h"], "i": {"j": 5, "k": True}}
