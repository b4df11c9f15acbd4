"""A client made from settings: the installation it talks to, and what it says when that is not there."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.client import Client
from orchestrator.config import Settings
from queues.errors import RedisUnreachable
from tests.support.deployments import spec

ROOT = Path(__file__).resolve().parents[3]


def test_it_talks_to_the_redis_and_prefix_of_the_settings(redis_url, redis):
    settings = Settings.load({"HEADGATE_REDIS_URL": redis_url, "HEADGATE_PREFIX": "{lab}"})
    with Client.from_settings(settings, actor="ada") as client:
        client.create_from_spec(spec())
        assert client.address == redis_url
        assert client.server_version()[0].isdigit()
    assert redis.hgetall("{lab}:deployments")


def test_a_redis_that_is_not_there_is_said_at_once_without_its_password(tmp_path):
    settings = Settings.load({"HEADGATE_REDIS_URL": f"unix://:secret@{tmp_path}/none.sock"})
    with pytest.raises(RedisUnreachable) as refused:
        Client.from_settings(settings)
    assert "secret" not in str(refused.value)


def test_without_an_address_it_uses_the_embedded_redis_of_the_home(tmp_path):
    settings = Settings.load({"HEADGATE_HOME": str(tmp_path)})
    with Client.from_settings(settings) as client:
        client.create_from_spec(spec())
    with Client.from_settings(settings) as client:
        assert [one.name for one in client.list_deployments()] == ["score/nightly"]


def test_the_client_s_answers_are_json_with_times_in_utc(client):
    client.create_from_spec(spec())
    shown = client.run_deployment("nightly").to_json()
    assert shown["scheduled_start_time"].endswith("Z")
    assert shown["start_time"] is None


def test_importing_the_client_loads_no_web_and_no_rq():
    code = "import sys, orchestrator.client; print(sorted({'rq', 'fastapi', 'rich', 'pydantic'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr
