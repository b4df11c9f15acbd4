"""Which server may open which data, and whose folders are trusted."""

import os
from pathlib import Path

import pytest

from queues.errors import HomeUnusable, RedisNotStarted
from queues.redis_binary import RedisBinary
from queues.redis_home import RedisHome, can_read

REDIS_6 = RedisBinary(path="/old", kind="redis", version="6.2.14")
REDIS_7 = RedisBinary(path="/new", kind="redis", version="7.0.15")
REDIS_74 = RedisBinary(path="/newer", kind="redis", version="7.4.0")
VALKEY_8 = RedisBinary(path="/valkey", kind="valkey", version="8.0.1")
VALKEY_9 = RedisBinary(path="/valkey9", kind="valkey", version="9.0.0")


def writer(binary: RedisBinary) -> dict[str, str]:
    return {"kind": binary.kind, "version": binary.version, "reads": ".".join(map(str, binary.reads))}


@pytest.mark.parametrize(
    ("reader", "wrote", "readable"),
    [
        (REDIS_7, REDIS_7, True),
        (REDIS_7, REDIS_6, True),
        (REDIS_6, REDIS_7, False),
        (VALKEY_8, REDIS_7, True),
        (VALKEY_8, REDIS_74, False),
        (REDIS_7, VALKEY_8, False),
        (REDIS_74, VALKEY_8, True),
        (VALKEY_8, VALKEY_9, False),
        (REDIS_74, VALKEY_9, False),
    ],
)
def test_data_are_opened_only_by_a_program_that_reads_them(reader, wrote, readable):
    assert can_read(reader, writer(wrote)) is readable


def test_an_older_server_is_refused_with_a_sentence(tmp_path):
    place = RedisHome.under(tmp_path)
    place.make()
    place.record_writer(REDIS_7)
    with pytest.raises(
        RedisNotStarted, match=r"written by redis-server 7\.0\.15; redis-server 6\.2\.14 .* start empty"
    ):
        place.require_readable(REDIS_6, "unix:///x")
    place.require_readable(REDIS_7, "unix:///x")


def test_data_that_another_host_has_open_are_refused_on_a_shared_file_system(tmp_path, monkeypatch):
    place = RedisHome.under(tmp_path)
    place.make()
    (place.folder / "host").write_text("node-a")
    place.require_readable(REDIS_7, "unix:///x")
    monkeypatch.setattr("queues.redis_home.on_network", lambda folder: True)
    with pytest.raises(RedisNotStarted, match="runs on node-a"):
        place.require_readable(REDIS_7, "unix:///x")


def test_the_same_home_has_the_same_socket_however_it_is_spelled(tmp_path):
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    assert RedisHome.under(link).socket == RedisHome.under(tmp_path / "x" / "..").socket


def test_a_folder_of_another_user_is_not_used(tmp_path, monkeypatch):
    place = RedisHome.under(tmp_path)
    place.make()
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    with pytest.raises(HomeUnusable, match="belongs to another user"):
        place.make()


def test_a_link_in_place_of_the_socket_folder_is_not_followed(tmp_path):
    place = RedisHome(folder=tmp_path / "redis", socket=tmp_path / "link" / "redis.sock")
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(HomeUnusable, match="is a link"):
        place.make()


def test_a_damaged_record_of_the_writer_is_named(tmp_path):
    place = RedisHome.under(tmp_path)
    place.make()
    (place.folder / "writer.json").write_text("{")
    with pytest.raises(HomeUnusable, match=r"writer\.json"):
        place.require_readable(REDIS_7, "unix:///x")


def test_a_file_in_place_of_the_home_is_named(tmp_path):
    (tmp_path / "home").write_text("")
    with pytest.raises(HomeUnusable, match="home"):
        RedisHome.under(Path(tmp_path / "home")).make()
