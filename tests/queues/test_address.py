"""Reading Redis URLs, and showing them without the password."""

import pytest

from queues.address import masked, parse_url
from queues.errors import InvalidAddress


@pytest.mark.parametrize(
    ("url", "host", "port", "db", "password"),
    [
        ("redis://db.example", "db.example", 6379, 0, None),
        ("redis://:pw@db.example:6380/3", "db.example", 6380, 3, "pw"),
        ("redis://user:p%40%3A%2F%23%25@h/1", "h", 6379, 1, "p@:/#%"),
        ("redis://user:p@:/#%x@h:1/1", "h", 1, 1, "p@:/#%x"),
        ("redis://:a?b@h/2", "h", 6379, 2, "a?b"),
        ("rediss://[::1]:7000/?db=4", "::1", 7000, 4, None),
        ("REDIS://h/?password=p%40w", "h", 6379, 0, "p@w"),
        ("rediss://h/0?ssl_ca_certs=/etc/a@b.pem", "h", 6379, 0, None),
    ],
)
def test_host_port_db_and_password_are_read(url, host, port, db, password):
    address = parse_url(url)
    assert (address.host, address.port, address.db, address.password) == (host, port, db, password)


def test_a_unix_address_has_a_path_and_may_have_a_db_and_a_login():
    address = parse_url("unix://me:p%40w@/run/redis%20x.sock?db=2")
    assert (address.path, address.db, address.username, address.password) == ("/run/redis x.sock", 2, "me", "p@w")


def test_a_sentinel_address_names_sentinels_master_and_logins():
    address = parse_url("redis+sentinel://me:p@/w@h1:7000,h2,[::1]:7002/my-master/3")
    assert address.sentinels == (("h1", 7000), ("h2", 26379), ("::1", 7002))
    assert (address.master, address.db, address.password, address.secure) == ("my-master", 3, "p@/w", False)
    assert address.sentinel_login == ("me", "p@/w"), "one login for all, unless the Sentinels have their own"
    assert str(address) == "redis+sentinel://h1:7000,h2:26379,[::1]:7002/my-master/3"


@pytest.mark.parametrize(
    ("query", "login", "secure"),
    [
        ("?sentinel_password=other", (None, "other"), False),
        ("?sentinel_username=watch&sentinel_password=other&ssl=yes", ("watch", "other"), True),
        ("?sentinel_password=&ssl_ca_certs=/ca.pem", (None, None), True),
    ],
)
def test_sentinels_may_have_a_login_of_their_own(query, login, secure):
    address = parse_url("redis+sentinel://:hunter2@h/m" + query)
    assert (address.sentinel_login, address.secure, address.password) == (login, secure, "hunter2")
    assert "other" not in f"{address} {address!r} {address.masked}"


def test_a_password_never_shows_in_any_form_of_the_address():
    address = parse_url("redis://me:hunter2@h:1/2")
    assert (str(address), address.masked) == ("redis://h:1/2", "redis://me:***@h:1/2")
    assert "hunter2" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:6379",
        "http://:hunter2@h",
        "redis://",
        "redis://:hunter2@",
        "redis://:hunter2@h:port",
        "redis://:hunter2@h:99999",
        "redis://:hunter2@h/x",
        "redis://:hunter2@h/0?socket_timeout=3",
        "redis://:hunter2@h/0?ssl_ca_certs=/x",
        "redis://:hunter2@h:1,redis://h:2",
        "redis://:hunter2@h:1,redis://:hunter2@i:1",
        "redis://:x?hunter2=3@a@h b",
        "unix://:hunter2@relative.sock",
        "unix:///" + "x" * 107,
        "redis+sentinel://:hunter2@h:26379",
        "redis+sentinel://:hunter2@h1:1,,h2:2/mymaster",
        "redis+sentinel://:hunter2@h1:1,h2:99999/mymaster",
        "redis+sentinel://:hunter2@h1:1,h2/my master",
        "redis+sentinel://:hunter2@h1:1/mymaster?sentinel_secret=hunter2",
        "redis://h:1/0?sentinel_password=hunter2",
        "redis://h:x?password=a@hunter2:port",
    ],
)
def test_a_malformed_address_is_refused_without_repeating_the_password(url):
    with pytest.raises(InvalidAddress) as refused:
        parse_url(url)
    assert "hunter2" not in str(refused.value)
    assert "hunter2" not in masked(url)


def test_masking_keeps_an_address_without_a_password_as_it_is():
    assert masked("redis://h:1/0") == "redis://h:1/0"
    assert masked("unix:///run/r.sock") == "unix:///run/r.sock"


def test_only_addresses_of_this_machine_are_local():
    assert parse_url("unix:///r.sock").local
    assert parse_url("redis://127.0.0.1").local
    assert not parse_url("redis://db.example").local
