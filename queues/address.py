"""The address of a Redis server, or of the Sentinels that know it: read from a URL, shown without its passwords."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from hashlib import sha256
from urllib.parse import parse_qsl, quote, unquote

from queues.errors import InvalidAddress

SENTINEL = "redis+sentinel"
SCHEMES = ("redis", "rediss", "unix", SENTINEL)
SENTINEL_FORM = "redis+sentinel://[user:password@]host[:port],host[:port],…/master-name[/db]"
FORMS = (
    f"redis://[user:password@]host[:port][/db], rediss://… for TLS, unix:///path/to/socket[?db=0], or {SENTINEL_FORM}"
)
SECOND = re.compile(rf"[,;\s](?:{'|'.join(map(re.escape, SCHEMES))})://")
TLS_OPTIONS = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname")
SENTINEL_OPTIONS = ("ssl", "sentinel_username", "sentinel_password")
DEFAULT_PORT = 6379
SENTINEL_PORT = 26379
NO = ("0", "f", "false", "n", "no")
LONGEST_SOCKET_PATH = 107


Place = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True, kw_only=True)
class RedisAddress:
    """Where a Redis server is and how to log in; neither `str` nor `repr` holds a password.

    With `sentinels` it is wherever these say that `master` serves; login and TLS apply to them too, unless they have a
    login of their own (`sentinel_login`: user name and password).
    """

    scheme: str
    host: str = ""
    port: int = DEFAULT_PORT
    path: str = ""
    db: int = 0
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: tuple[tuple[str, str], ...] = ()
    secure: bool = False
    """Whether TLS is spoken."""
    sentinels: tuple[Place, ...] = ()
    master: str = ""
    sentinel_login: tuple[str | None, str | None] = field(default=(None, None), repr=False)

    def __str__(self) -> str:
        if self.sentinels:
            return f"{self.scheme}://{','.join(map(shown, self.sentinels))}/{self.master}/{self.db}"
        if self.scheme == "unix":
            return f"unix://{self.path}" + (f"?db={self.db}" if self.db else "")
        return f"{self.scheme}://{shown((self.host, self.port))}/{self.db}"

    @property
    def masked(self) -> str:
        """The URL as a user may see it: the user name stays, the password is `***`."""
        if self.username is None and self.password is None:
            return str(self)
        scheme, rest = str(self).split("://", 1)
        login = quote(self.username or "", safe="") + (":***" if self.password is not None else "")
        return f"{scheme}://{login}@{rest}"

    @property
    def local(self) -> bool:
        """Whether the server is on this machine, so that nobody can listen on the way."""
        return self.scheme == "unix" or self.host in ("localhost", "::1") or self.host.startswith("127.")


def parse_url(url: str) -> RedisAddress:
    """Read a Redis URL; InvalidAddress says what is wrong without repeating anything that may be a password.

    Passwords may be percent-coded; those with a plain `@`, `:`, `/`, `?` or `#` are understood too, since the host
    begins after the last `@`.
    """
    scheme, separator, rest = url.strip().partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in SCHEMES:
        raise InvalidAddress(f"expected an address of the form {FORMS}; it does not begin so")
    if SECOND.search(rest):
        raise InvalidAddress(f"expected one address, got two or more; for several Sentinels write {SENTINEL_FORM}")
    login, place = split_login(rest, scheme)
    place, _, query = place.partition("?")
    options = _options(query, scheme)
    username, password = _login(login, options)
    if scheme == "unix":
        return RedisAddress(
            scheme=scheme,
            path=_socket_path(place),
            db=_db(options.pop("db", "0")),
            username=username,
            password=password,
        )
    if scheme == SENTINEL:
        return _sentinels(place, options, username, password)
    host, port, db = _place(place)
    db = options.pop("db", db)
    tls = tuple(sorted(options.items()))
    if tls and scheme == "redis":
        raise InvalidAddress(f"{tls[0][0]} needs TLS: write rediss:// instead of redis://")
    return RedisAddress(
        scheme=scheme,
        host=host,
        port=port,
        db=_db(db),
        username=username,
        password=password,
        tls=tls,
        secure=scheme == "rediss",
    )


def shown(place: Place) -> str:
    """`host:port`, with an IPv6 host in brackets."""
    host, port = place
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def masked(url: str) -> str:
    """Show any URL, also a malformed one, without its password."""
    try:
        return parse_url(url).masked
    except InvalidAddress:
        scheme, separator, rest = url.partition("://")
        if "@" not in rest and "password" not in rest.lower():
            return url if separator else "***"
        if "password" in rest.lower():  # where it ends is not known
            return f"{scheme}://***"
        return f"{scheme}://***@{rest.rpartition('@')[2].partition('?')[0]}"


def embedded_socket(home: str) -> str:
    """Where the embedded Redis of a home listens: in the home, or in a short place where that path is too long."""
    folder = f"{os.path.realpath(home)}/redis"
    path = f"{folder}/redis.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    digest = sha256(os.fsencode(folder)).hexdigest()[:16]
    return f"/tmp/headgate-{os.geteuid()}-{digest}/redis.sock"


HOST = r"(\[[0-9A-Fa-f:.%a-z]+\]|[^\s,:/?#@\[\]]*)(?::(\d*))?"
PLACE = re.compile(HOST + r"(?:/([^/?#]*))?/?")
PLACES = re.compile(r"([^\s/?#@]+)/([A-Za-z0-9._-]+)(?:/([^/?#]*))?/?")


def split_login(rest: str, scheme: str) -> tuple[str, str]:
    """Split at the last `@`, unless that stands in the options behind an address that is complete without it."""
    head, mark, query = rest.partition("?")
    form = PLACES if scheme == SENTINEL else PLACE
    if mark and "@" in query and "@" not in head and (scheme == "unix" or form.fullmatch(head)):
        return "", rest
    if "@" in head and (scheme == "unix" or form.fullmatch(head.rpartition("@")[2])):
        login, _, place = head.rpartition("@")
        return login, place + mark + query
    login, _, place = rest.rpartition("@")
    return login, place


def _login(login: str, options: dict[str, str]) -> tuple[str | None, str | None]:
    username, colon, password = login.partition(":")
    asked_user, asked_password = options.pop("username", ""), options.pop("password", "")
    return unquote(username) or asked_user or None, (unquote(password) if colon else asked_password) or None


def _options(query: str, scheme: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    allowed = ["db", "username", "password", *TLS_OPTIONS, *(SENTINEL_OPTIONS if scheme == SENTINEL else ())]
    for name in options:
        if name not in allowed:
            found = f"{name!r}" if re.fullmatch(r"[a-z_]{1,32}", name) and "@" not in query else "after the ?"
            raise InvalidAddress(
                f"the address has an option {found} that is not known; allowed are {', '.join(allowed)}"
                " (time-outs are set by the program)"
            )
    return options


def _sentinels(place: str, options: dict[str, str], username: str | None, password: str | None) -> RedisAddress:
    found = PLACES.fullmatch(place)
    if found is None:
        raise InvalidAddress(f"expected Sentinels and the name of their master, as in {SENTINEL_FORM}")
    hosts, master, db = found.groups()
    # One login for all, unless the Sentinels have their own.
    user, secret = options.pop("sentinel_username", None), options.pop("sentinel_password", None)
    login = (username, password) if user is None and secret is None else (user or None, secret or None)
    db = options.pop("db", db or "0")
    secure = options.pop("ssl", "no").lower() not in NO
    return RedisAddress(
        scheme=SENTINEL,
        db=_db(db),
        username=username,
        password=password,
        tls=tuple(sorted(options.items())),
        secure=secure or bool(options),
        sentinels=tuple(_host(host, SENTINEL_PORT) for host in hosts.split(",")),
        master=master,
        sentinel_login=login,
    )


def _host(text: str, default_port: int) -> Place:
    found = re.fullmatch(HOST, text)
    if found is None:
        raise InvalidAddress(f"expected host:port between the commas, as in {SENTINEL_FORM}")
    return _checked(found[1], found[2], default_port)


def _place(place: str) -> tuple[str, int, str]:
    found = PLACE.fullmatch(place)
    if found is None:
        raise InvalidAddress(f"expected host, port and db behind the last @ or the scheme, as in {FORMS}")
    return *_checked(found[1], found[2], DEFAULT_PORT), found[3] or "0"


def _checked(host: str, port: str | None, default_port: int) -> Place:
    host = unquote(host).strip("[]")
    if not host:
        raise InvalidAddress(f"the address names no host; expected {FORMS}")
    if port and not 1 <= int(port) <= 65535:
        raise InvalidAddress(f"expected the port to be 1 to 65535, got {port}")
    return host, int(port or default_port)


def _db(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text):
        raise InvalidAddress("expected the db to be a number from 0 on, got something else behind the last /")
    return int(text)


def _socket_path(place: str) -> str:
    path = unquote(place)
    if not path.startswith("/"):
        raise InvalidAddress("expected an absolute socket path behind unix://, as in unix:///run/redis/redis.sock")
    if len(path.encode()) > LONGEST_SOCKET_PATH:
        raise InvalidAddress(f"the socket path has {len(path.encode())} bytes; the kernel takes {LONGEST_SOCKET_PATH}")
    return path
