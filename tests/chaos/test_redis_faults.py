"""What the nemesis does when Redis does not come back by itself."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from tests.chaos.history import History
from tests.chaos.nemesis import Nemesis
from tests.chaos.redis_faults import RedisFaults
from tests.support.redis_server import RedisServer


def test_a_file_that_redis_can_not_read_is_cut_where_it_went_wrong_and_kept() -> None:
    server = RedisServer(append_only=True).start()
    gates: list[str] = []
    proxy = SimpleNamespace(shut=lambda: gates.append("shut"), open=lambda: gates.append("open"))
    collector = SimpleNamespace(cut=lambda at: gates.append("noted"))
    world: Any = SimpleNamespace(redis=server, proxy=proxy, collector=collector, history=History(), disk=None)
    try:
        server.client().set("kept", "1")
        server.kill()
        with open(server.folder / "appendonlydir" / "appendonly.aof.1.incr.aof", "ab") as file:
            file.write(b"27\r\nhalf a command\r\n*1\r\n$4\r\nPING\r\n")
        RedisFaults(world, Nemesis(world, seed=1))._start()
        (fault,) = world.history.of("fault")
        assert server.client().get("kept") == b"1" and gates == ["shut", "noted", "open"]
        assert b"half a command" in (Path(fault["detail"]["kept"]) / "appendonly.aof.1.incr.aof").read_bytes()
    finally:
        server.close()
        for fault in world.history.of("fault"):
            shutil.rmtree(fault["detail"]["kept"])
