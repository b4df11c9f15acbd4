"""HEADGATE_DURABILITY=strict: only a server that has everything on its disk before it answers."""

import pytest

from queues.connection import connect
from queues.errors import RedisRefused
from queues.recovery import Greeting
from queues.redis_server import EmbeddedRedis
from queues.server_check import Demands, check_server
from tests.support.redis_server import RedisServer
from tests.support.redis_users import end_of_server


def strictly(url):
    """A client of a process that is strict."""
    return connect(url, greet=Greeting(demands=Demands(strict=True)))


@pytest.mark.parametrize(("appendonly", "fsync"), [("yes", "everysec"), ("yes", "no"), ("no", "always")])
def test_a_server_that_answers_before_it_has_written_is_refused_with_the_remedy(own_redis, appendonly, fsync):
    own_redis.client().config_set("appendonly", appendonly)
    own_redis.client().config_set("appendfsync", fsync)
    with pytest.raises(RedisRefused, match=f"appendonly {appendonly}, appendfsync {fsync}") as refused:
        strictly(own_redis.url)
    assert refused.value.code == "durability" and "appendfsync always" in refused.value.hint
    assert str(own_redis.socket) in str(refused.value)


def test_a_server_that_writes_first_is_taken_until_it_comes_back_without(own_redis):
    own_redis.options["appendfsync"] = "always"
    own_redis.restart()
    client = strictly(own_redis.url)
    assert client.ping() and check_server(client, "", strict=True).problems == ()
    own_redis.options["appendfsync"] = "everysec"
    own_redis.restart()
    with pytest.raises(RedisRefused, match="appendfsync everysec"):
        client.ping()


def test_where_config_is_denied_it_is_said_that_it_could_not_be_looked_at(own_redis):
    own_redis.client().acl_setuser("ann", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-config"])
    client = strictly(f"unix://ann:x@{own_redis.socket}")
    assert client.ping()
    assert any("CONFIG is denied" in problem for problem in check_server(client, "", strict=True).problems)


def test_the_embedded_server_becomes_strict_with_its_first_strict_user(tmp_path):
    with EmbeddedRedis.acquire(tmp_path) as usual, EmbeddedRedis.acquire(tmp_path, strict=True) as held:
        assert strictly(held.url).config_get("appendfsync") == {"appendfsync": "always"}
        connect(usual.url).config_set("appendfsync", "everysec")
        held.ensure()
        assert strictly(held.url).ping()
    end_of_server(tmp_path)
    with EmbeddedRedis.acquire(tmp_path, strict=True) as held:
        assert strictly(held.url).ping()
    end_of_server(tmp_path)


def test_the_option_of_the_server_is_what_makes_it_durable():
    with RedisServer(append_only=True, options={"appendfsync": "always"}) as server:
        assert check_server(connect(server.url), "").persistence == "aof (always)"
