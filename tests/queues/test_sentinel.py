"""Addresses of Sentinels: what is dialled, what each failure says, and when "nobody serves" is believed."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time

import pytest

from queues.connection import connect
from queues.errors import RedisFailure, RedisRefused, RedisUnreachable
from queues.master import watch_of
from tests.support.strangers import (
    Answer,
    redis_that_refuses,
    redis_that_says,
    sentinel_that_says,
    server_context,
    stranger,
)

SERVES = {"redis_version": "7.0.0", "redis_mode": "standalone", "run_id": "a" * 40, "role": "master"}


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def sentinels(*answers: Answer | None):
    """The places of Sentinels that answer so, as they stand in an address; None: nobody listens there."""
    with contextlib.ExitStack() as stack:
        ports = [closed_port() if answer is None else stack.enter_context(stranger(answer)) for answer in answers]
        yield ",".join(f"127.0.0.1:{port}" for port in ports)


def failure(url: str, timeout: float = 3.0) -> RedisFailure:
    """Connect, and give the failure; it must come within 3 s and hold no password."""
    began = time.monotonic()
    with pytest.raises(RedisFailure) as raised:
        connect(url, timeout=timeout).set("key", "value")
    assert time.monotonic() - began < 3.0
    assert "hunter2" not in f"{raised.value} {raised.value.hint}"
    assert raised.value.hint
    return raised.value


def test_the_first_sentinel_that_names_a_living_master_is_enough():
    with stranger(redis_that_says(**SERVES)) as port:
        says = sentinel_that_says(port)
        with sentinels(None, sentinel_that_says(port, "s_down"), says) as places:
            client = connect(f"redis+sentinel://{places}/m")
            assert client.set("key", "value")
            assert client.connection_pool.get_connection().port == port


def test_a_sentinel_that_is_behind_does_not_hide_the_new_master():
    with stranger(redis_that_says(**SERVES)) as new:
        answers = sentinel_that_says(closed_port()), sentinel_that_says(new)
        with sentinels(*answers) as places:
            assert connect(f"redis+sentinel://{places}/m").set("key", "value")


def test_a_silent_sentinel_costs_a_part_of_the_time_only():
    with stranger(redis_that_says(**SERVES)) as port:
        says = sentinel_that_says(port)
        with sentinels(lambda got: b"", says) as places:
            began = time.monotonic()
            assert connect(f"redis+sentinel://{places}/m", timeout=1.0).set("key", "value")
            assert time.monotonic() - began < 1.0


def test_one_password_is_given_to_all_and_sentinels_without_one_do_not_mind():
    with stranger(redis_that_says(**SERVES)) as port:
        for theirs, query in (("hunter2", ""), ("", ""), ("other", "?sentinel_password=other")):
            with sentinels(sentinel_that_says(port, password=theirs)) as places:
                assert connect(f"redis+sentinel://:hunter2@{places}/m{query}").set("key", "value")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_given_once_is_spoken_to_sentinels_and_master(tmp_path):
    context = server_context(tmp_path, "db.example")
    options = f"?ssl_ca_certs={tmp_path}/cert.pem&ssl_check_hostname=no"
    with stranger(redis_that_says(**SERVES), tls=context) as port:
        with stranger(sentinel_that_says(port), tls=context) as watcher:
            assert connect(f"redis+sentinel://127.0.0.1:{watcher}/m{options}").set("key", "value")
        with stranger(sentinel_that_says(port)) as plain:
            assert "does not speak TLS" in str(failure(f"redis+sentinel://127.0.0.1:{plain}/m{options}"))


@pytest.mark.parametrize(
    ("answers", "code", "away", "words"),
    [
        ([sentinel_that_says(1, master="other")], "unknown_master", None, "know no master named 'm'"),
        ([sentinel_that_says(1, password="theirs")], "auth", None, "does not accept the login"),
        (
            [lambda got: b"-ERR unknown command 'SENTINEL', with args\r\n" * got.count(b"*")],
            "sentinel",
            None,
            "it is no Sentinel",
        ),
        ([None, None], "no_sentinel", False, "none of its Sentinels answers"),
        ([lambda got: b"HTTP/1.1 400 Bad Request\r\n\r\n"], "not_redis", None, "speaks HTTP"),
    ],
)
def test_each_thing_that_is_wrong_with_sentinels_has_a_sentence(answers, code, away, words):
    with sentinels(*answers) as places:
        found = failure(f"redis+sentinel://:hunter2@{places}/m")
    assert (found.code, getattr(found, "away", None)) == (code, away)
    assert isinstance(found, RedisRefused if away is None else RedisUnreachable)
    assert words in str(found)


DOWN = ("s_down", "o_down")


@pytest.mark.parametrize(
    ("flags", "away"),
    [
        ([DOWN, DOWN, DOWN], True),
        ([DOWN, DOWN, None], True),
        ([DOWN, None, None], False),  # one that may be cut off together with this machine
        ([(), (), ()], True),  # the master was killed a moment ago: it refuses, and none of them knows another
        ([(), None, None], False),
    ],
)
def test_nobody_serves_only_when_most_sentinels_say_so(flags, away):
    port = closed_port()
    answers = [None if each is None else sentinel_that_says(port, *each) for each in flags]
    with sentinels(*answers) as places:
        found = failure(f"redis+sentinel://{places}/m")
    assert (found.code, found.away) == ("no_master", away)


def test_a_master_that_some_sentinel_names_and_that_is_silent_may_serve_others():
    with stranger(lambda got: b"") as port, sentinels(sentinel_that_says(1, *DOWN), sentinel_that_says(port)) as places:
        found = failure(f"redis+sentinel://{places}/m", timeout=0.5)
    assert (found.code, found.away) == ("timed_out", False)


@pytest.mark.parametrize("reply", ["READONLY You can't write against a read only replica.", "NOREPLICAS too few"])
def test_a_server_that_is_no_master_any_more_is_left_and_not_taken_for_away(reply):
    with stranger(redis_that_refuses(reply)) as old, stranger(redis_that_says(**SERVES)) as new:
        named = [old]
        with sentinels(lambda got: sentinel_that_says(named[0])(got)) as places:
            client = connect(f"redis+sentinel://{places}/m")
            with pytest.raises(RedisUnreachable) as raised:
                client.set("key", "value")
            assert (raised.value.code, raised.value.away) == ("read_only", False)
            named[0] = new
            assert client.set("key", "value")


def test_what_a_sentinel_names_must_be_a_master_and_another_one_is_asked_next():
    with stranger(redis_that_says(**{**SERVES, "role": "slave"})) as old, stranger(redis_that_says(**SERVES)) as new:
        says_old, says_new = sentinel_that_says(old), sentinel_that_says(new)
        with sentinels(says_old, says_new) as places:
            client = connect(f"redis+sentinel://{places}/m", eager=False)
            with pytest.raises(RedisUnreachable, match="not the master"):
                client.set("key", "value")
            assert client.set("key", "value")


def test_a_living_server_is_left_when_a_newer_answer_names_another_one():
    with stranger(redis_that_says(**SERVES)) as old, stranger(redis_that_says(**SERVES)) as new:
        named = {"port": old, "epoch": 3}
        with sentinels(lambda got: sentinel_that_says(named["port"], epoch=named["epoch"])(got)) as places:
            client = connect(f"redis+sentinel://{places}/m")
            used = client.connection_pool.get_connection()
            client.connection_pool.release(used)
            watch = watch_of(client.address)
            for port, epoch, now in ((old, 3, old), (new, 3, old), (new, 2, old), (new, 4, new)):
                named |= {"port": port, "epoch": epoch}
                watch.look()
                assert client.set("key", "value")
                assert used.port == now, "only a newer answer counts: a Sentinel may be behind"


def test_a_command_says_what_is_wrong_with_sentinels_and_shows_no_password():
    with sentinels(sentinel_that_says(1, master="other")) as places:
        url = f"redis+sentinel://:hunter2@{places}/m?sentinel_password=hunter3"
        done = subprocess.run(
            [sys.executable, "-m", "orchestrator", "work-queue", "ls", "--debug"],
            env={**os.environ, "HEADGATE_REDIS_URL": url},
            capture_output=True,
            text=True,
        )
    assert done.returncode == 5 and "know no master named 'm'" in done.stderr
    assert "hunter" not in done.stdout + done.stderr
