"""Connecting: what is reported when Redis is not there, not Redis, or not usable; and that nothing is sent twice."""

import http.server
import shutil
import signal
import threading
import time

import pytest

from queues.connection import connect, connect_blocking
from queues.errors import OutOfMemory, RedisFailure, RedisRefused, RedisUnreachable
from queues.server_check import check_server
from tests.support.strangers import redis_that_refuses, redis_that_says, server_context, stranger


def failure(url: str) -> RedisFailure:
    """Connect, send one command, and give the failure; it must come within 3 s and hold no password."""
    began = time.monotonic()
    with pytest.raises(RedisFailure) as raised:
        connect(url).set("key", "value")
    assert time.monotonic() - began < 3.0
    assert "hunter2" not in str(raised.value) + raised.value.hint
    assert raised.value.hint
    return raised.value


def test_a_connection_greets_before_its_first_command(redis_url):
    seen = []
    client = connect(redis_url, greet=lambda facts, ask: seen.append((len(facts.run_id), ask("PING"))))
    assert client.ping()
    assert seen == [(40, b"PONG")]


def test_a_connection_whose_greeting_failed_is_not_used(redis_url):
    answers = iter([ValueError("not greeted"), None])

    def greet(facts, ask):
        if (error := next(answers)) is not None:
            raise error

    with pytest.raises(ValueError, match="not greeted"):
        connect(redis_url, greet=greet)
    assert connect(redis_url, greet=greet).ping()


def test_a_refused_port_is_away():
    with stranger(lambda got: None) as port:
        pass
    found = failure(f"redis://:hunter2@127.0.0.1:{port}/0")
    assert isinstance(found, RedisUnreachable)
    assert (found.code, found.away, str(found.address)) == ("refused", True, f"redis://127.0.0.1:{port}/0")


def test_a_missing_socket_is_away(tmp_path):
    assert failure(f"unix://{tmp_path}/no.sock").code == "refused"


def test_a_silent_server_times_out_and_is_not_away():
    with stranger(lambda got: b"") as port:
        found = failure(f"redis://:hunter2@127.0.0.1:{port}")
    assert isinstance(found, RedisUnreachable)
    assert (found.code, found.away) == ("timed_out", False)


def test_an_unknown_host_is_named():
    assert failure("redis://:hunter2@no-such-host.invalid").code == "unknown_host"


def test_a_web_server_is_told_from_redis():
    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        found = failure(f"redis://:hunter2@127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    assert "speaks HTTP" in str(found)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_on_one_side_only_or_under_another_name_has_a_sentence_each(tmp_path):
    answer = redis_that_says(redis_version="7.0.0", redis_mode="standalone", run_id="a" * 40)
    context = server_context(tmp_path, "db.example")
    trusted = f"ssl_ca_certs={tmp_path}/cert.pem"
    with stranger(answer, tls=context) as tls, stranger(answer) as plain:
        assert "speaks TLS only" in str(failure(f"redis://:hunter2@localhost:{tls}"))
        assert "does not speak TLS" in str(failure(f"rediss://:hunter2@localhost:{plain}"))
        assert "Hostname mismatch" in str(failure(f"rediss://:hunter2@localhost:{tls}?{trusted}"))
        assert "self-signed" in str(failure(f"rediss://:hunter2@localhost:{tls}"))
        assert connect(f"rediss://localhost:{tls}?{trusted}&ssl_check_hostname=no")


@pytest.mark.parametrize(
    ("facts", "code", "words"),
    [
        ({"redis_version": "5.0.14", "redis_mode": "standalone"}, "version", "version 5.0.14; 6.2.6 or newer"),
        ({"redis_version": "6.2.5", "redis_mode": "standalone"}, "version", "version 6.2.5"),
        ({"redis_version": "7.0.0", "redis_mode": "sentinel"}, "sentinel", "a Sentinel"),
        ({"redis_version": "7.0.0", "redis_mode": "cluster"}, "cluster", "Redis Cluster"),
    ],
)
def test_a_server_that_can_not_serve_is_refused(facts, code, words):
    with stranger(redis_that_says(**facts)) as port:
        found = failure(f"redis://127.0.0.1:{port}")
    assert found.code == code
    assert words in str(found)


@pytest.mark.parametrize(
    ("reply", "kind", "code", "away"),
    [
        ("LOADING Redis is loading the dataset in memory", RedisUnreachable, "loading", True),
        ("MISCONF Errors writing to the AOF file", RedisUnreachable, "not_saving", True),
        ("READONLY You can't write against a read only replica.", RedisUnreachable, "read_only", True),
        ("ERR Error running script: -READONLY You can't write", RedisUnreachable, "read_only", True),
        ("NOPERM this user has no permissions to run the 'set' command", RedisRefused, "no_permission", None),
        ("NOAUTH Authentication required.", RedisRefused, "auth", None),
        ("WRONGPASS invalid username-password pair or user is disabled.", RedisRefused, "auth", None),
        ("OOM command not allowed when used memory > 'maxmemory'.", OutOfMemory, "full", None),
        ("MOVED 866 10.0.0.1:6379", RedisRefused, "cluster", None),
    ],
)
def test_error_replies_become_typed_failures(reply, kind, code, away):
    with stranger(redis_that_refuses(reply)) as port:
        found = failure(f"redis://127.0.0.1:{port}")
    assert isinstance(found, kind)
    assert (found.code, getattr(found, "away", None)) == (code, away)


def test_other_error_replies_pass_unchanged(redis_url):
    client = connect(redis_url)
    client.lpush("list", 1)
    with pytest.raises(Exception, match="WRONGTYPE"):
        client.incr("list")


def test_a_pipeline_translates_too(own_redis):
    pipeline = connect(own_redis.url).pipeline()
    pipeline.set("key", 1)
    own_redis.kill()
    with pytest.raises(RedisUnreachable):
        pipeline.execute()


def test_a_command_is_sent_once_when_its_answer_is_lost(own_redis):
    client = connect(own_redis.url, timeout=0.3)
    own_redis.signal(signal.SIGSTOP)
    with pytest.raises(RedisUnreachable):
        client.incr("counter")
    own_redis.signal(signal.SIGCONT)
    assert int(own_redis.client().get("counter") or 0) <= 1


def test_a_client_finds_its_server_again_after_a_restart(own_redis):
    greeted = []
    client = connect(own_redis.url, greet=lambda facts, ask: greeted.append(facts.run_id))
    client.set("key", "kept")
    own_redis.restart()
    assert client.get("key") == b"kept"
    assert len(set(greeted)) == 2


def test_a_blocking_read_may_last_longer_than_the_usual_time_out(redis_url):
    client = connect_blocking(redis_url, longest_block=0.2)
    assert client.blpop("nothing", 0.2) is None
    assert client.connection_pool.connection_kwargs["socket_timeout"] == pytest.approx(3.2)


def test_the_check_names_what_a_server_would_lose(redis, redis_url):
    found = check_server(connect(redis_url), redis_url)
    assert (found.persistence, found.eviction_policy) == ("none", "noeviction")
    assert "appendonly yes" in found.problems[0]


def test_a_server_that_drops_keys_is_refused(own_redis):
    client = connect(own_redis.url)
    client.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(RedisRefused, match="allkeys-lru"):
        check_server(client, own_redis.url)


def test_a_replica_is_refused_and_names_its_master(own_redis):
    client = connect(own_redis.url)
    client.replicaof("127.0.0.1", "1")
    with pytest.raises(RedisRefused, match="replica") as refused:
        check_server(client, own_redis.url)
    assert "127.0.0.1:1" in refused.value.hint
