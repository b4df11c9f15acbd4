"""A master, its replica and three Sentinels that watch over them, on free ports of this machine; for fail-overs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import redis as redis_py
from redis.backoff import NoBackoff
from redis.retry import Retry

from queues.redis_binary import find_binary
from tests.support.redis_server import die_with_parent
from tests.support.waiting import wait_until

MASTER = "headgate-test"
DOWN_AFTER_MS = 600


class Node:
    """One process of redis-server on a port: a server, or a Sentinel."""

    def __init__(self, folder: Path, *words: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.words = words
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Node:
        """Start the process and return once it answers; it must be our own process that answers."""
        command = [find_binary().path]
        config = self.folder / "redis.conf"
        if not config.exists():
            text = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", 'logfile "log"', *self.words]
            config.write_text("\n".join(text) + "\n")
        command += [str(config), *(["--sentinel"] if "sentinel" in config.read_text() else [])]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, preexec_fn=die_with_parent)
        wait_until(self._answers, within=10, message=lambda: f"{config} to answer")
        return self

    def _answers(self) -> bool:
        assert self.process is not None
        try:
            return bool(self.client().info("server")["process_id"] == self.process.pid)
        except redis_py.AuthenticationError:
            return True
        except redis_py.RedisError:
            return False

    def client(self, **options: object) -> redis_py.Redis:
        """A plain client without hidden retries."""
        settings: dict[str, object] = {"socket_timeout": 5.0, "retry": Retry(NoBackoff(), 0), **options}
        return redis_py.Redis(host="127.0.0.1", port=self.port, **settings)  # type: ignore[arg-type]

    def role(self) -> str:
        """`master`, `slave`, or nothing when it does not answer."""
        try:
            return str(self.client(socket_timeout=1.0).info("replication")["role"])
        except redis_py.RedisError:
            return ""

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)


class Sentinels:
    """The five processes; `start` returns when every Sentinel knows the replica and the other Sentinels."""

    def __init__(self, *, password: str = "", sentinel_password: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="hgs"))
        self.password = password
        login = [f"requirepass {password}", f"masterauth {password}"] if password else []
        kept = ["appendonly yes", 'save ""', "maxmemory-policy noeviction", "repl-diskless-sync-delay 0", *login]
        self.first = Node(self.folder / "first", *kept)
        self.second = Node(self.folder / "second", *kept, f"replicaof 127.0.0.1 {self.first.port}")
        watch = [
            f"sentinel monitor {MASTER} 127.0.0.1 {self.first.port} 2",
            f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {MASTER} 4000",
            *([f"sentinel auth-pass {MASTER} {password}"] if password else []),
            *(
                [f"requirepass {sentinel_password}", f"sentinel sentinel-pass {sentinel_password}"]
                * bool(sentinel_password)
            ),
        ]
        self.sentinel_password = sentinel_password
        self.watchers = [Node(self.folder / f"sentinel{number}", *watch) for number in range(3)]

    @property
    def places(self) -> str:
        """host:port of the Sentinels, as they stand in an address."""
        return ",".join(f"127.0.0.1:{watcher.port}" for watcher in self.watchers)

    @property
    def url(self) -> str:
        """The address for `queues.connection.connect`."""
        login = f":{self.password}@" if self.password else ""
        other = f"?sentinel_password={self.sentinel_password}" if self.sentinel_password else ""
        return f"redis+sentinel://{login}{self.places}/{MASTER}{other}"

    @property
    def master(self) -> Node:
        """The server that most Sentinels name."""
        ports = sorted(self.known(watcher, "port") for watcher in self.watchers)
        return self.first if ports[1] == str(self.first.port) else self.second

    @property
    def replica(self) -> Node:
        """The other server."""
        return self.second if self.master is self.first else self.first

    def known(self, watcher: Node, fact: str) -> str:
        """What a Sentinel knows of the master."""
        said = watcher.client(password=self.sentinel_password or None).sentinel_master(MASTER)
        return str(said[fact])

    def start(self) -> Sentinels:
        """Start all five."""
        for node in (self.first, self.second, *self.watchers):
            node.start()
        wait_until(self.settled, within=20, message="the Sentinels to know each other and the replica", every=0.05)
        return self

    def settled(self) -> bool:
        """Whether one server is the master for all, the other its replica in step, and a fail-over possible."""
        for watcher in self.watchers:
            if self.known(watcher, "flags") != "{'master'}" and self.known(watcher, "flags") != "master":
                return False
            if self.known(watcher, "num-other-sentinels") != "2" or self.known(watcher, "num-slaves") != "1":
                return False
        ports = {self.known(watcher, "port") for watcher in self.watchers}
        return len(ports) == 1 and self.in_step()

    def in_step(self) -> bool:
        """Whether the replica has everything that the master acknowledged."""
        login = {"password": self.password or None}
        link = self.replica.client(**login).info("replication")
        said = self.master.client(**login).info("replication")
        return bool(
            link["role"] == "slave"
            and link["master_link_status"] == "up"
            and link["slave_repl_offset"] >= said["master_repl_offset"]
        )

    def kill_master(self) -> Node:
        """kill -9 of the master; answers which it was."""
        victim = self.master
        victim.kill()
        return victim

    def fail_over(self) -> None:
        """Ask the Sentinels to make the replica the master."""
        asked = self.watchers[0].client(password=self.sentinel_password or None)

        def accepted() -> bool:
            try:
                return bool(asked.execute_command("SENTINEL", "FAILOVER", MASTER))
            except redis_py.ResponseError:  # it has not heard from a replica that came back just now
                return False

        wait_until(accepted, within=15, every=0.1)

    def until_master_is(self, node: Node, within: float = 20.0) -> float:
        """Wait until all Sentinels name this server; answers how long that took."""
        began = time.monotonic()
        wait_until(
            lambda: all(self.known(watcher, "port") == str(node.port) for watcher in self.watchers),
            within,
            every=0.05,
            message=lambda: [watcher.client().sentinel_master(MASTER) for watcher in self.watchers],
        )
        return time.monotonic() - began

    def close(self) -> None:
        """Kill all of it and remove its folder."""
        for node in (*self.watchers, self.first, self.second):
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Sentinels:
        try:
            return self.start()
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
