"""Faults of Redis itself: killed, frozen, the end of its file lost, its scripts forgotten, no memory, no disk."""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.chaos.nemesis import Kind, Nemesis, Unsuitable
from tests.chaos.world import FAILURES, World
from tests.support.waiting import wait_until

DOWN_SECONDS = (0.0, 0.2, 1.0)
FROZEN_SECONDS = (0.2, 0.8, 1.6, 2.5)
FULL_SECONDS = (0.5, 2.5)
TAIL_SECONDS = (0.5, 2.0)
"""How old what the file keeps is: that much of the end is lost, as when power fails under `everysec`."""

BUSY = 4
"""Held runs from which on a Redis counts as busy."""

Told = tuple[str, dict[str, Any]]


class RedisFaults:
    """What can happen to the server; one fault at a time, but for those that last no time."""

    def __init__(self, world: World, nemesis: Nemesis) -> None:
        self._world, self._nemesis = world, nemesis
        self._random = nemesis.random

    def kinds(self) -> list[Kind]:
        """Those that stop everybody."""
        found = [
            Kind(name="kill redis", weight=5, strike=self._kill, kills=True),
            Kind(name="freeze redis", weight=4, strike=self._freeze),
            Kind(name="cut tail (kill redis, end of its file lost)", weight=3, strike=self._cut_tail, kills=True),
            Kind(name="full memory", weight=2, strike=self._fill_memory),
        ]
        if self._world.disk is not None:
            found.append(Kind(name="full disk", weight=2, strike=self._fill_disk))
        return found

    def swift_kinds(self) -> list[Kind]:
        """Those that last no time."""
        return [
            Kind(name="script flush", weight=4, strike=self._flush_scripts),
            Kind(name="client kill", weight=4, strike=self._kill_client),
        ]

    def _state(self) -> str:
        self._world.scene.update()
        held = self._world.scene.held()
        if self._nemesis.redis_busy:
            raise Unsuitable
        return "idle" if not held else "in use" if held < BUSY else "busy"

    def _begin(self) -> None:
        self._nemesis.redis_busy = True

    def _end(self) -> None:
        self._nemesis.redis_busy = False

    # ---------------------------------------------------------------- processes
    def _kill(self) -> Told:
        state, down = self._state(), self._random.choice(DOWN_SECONDS)
        self._begin()
        self._world.redis.kill()
        self._nemesis.later(down, self._start)
        return state, {"down": down}

    def _start(self) -> None:
        try:
            self._world.redis.start()
        except AssertionError as refused:
            self._mend_file(refused)
        self._end()

    def _mend_file(self, refused: AssertionError) -> None:
        """Do what an operator does when Redis can not read its own file: cut it where it went wrong.

        Seen once in an hour of chaos: Redis 7.0 had met a full disk before it was killed. What is cut is a lost tail.
        """
        folder = self._world.redis.folder / "appendonlydir"
        if "Bad file format" not in str(refused):
            raise refused
        kept = Path(tempfile.mkdtemp(prefix="headgate-damaged-file-"))
        shutil.copytree(folder, kept, dirs_exist_ok=True)
        killed_at = time.time()
        assert self._world.proxy is not None
        self._world.proxy.shut()
        (manifest,) = folder.glob("*.manifest")
        told = subprocess.run(["redis-check-aof", "--fix", str(manifest)], input="y\n", capture_output=True, text=True)
        self._world.history.fault("redis could not read its file", kept=str(kept), told=told.stdout[-400:])
        self._nemesis.cells["redis could not read its file", "down"] += 1
        self._return_cut(killed_at)

    def _freeze(self) -> Told:
        state, seconds = self._state(), self._random.choice(FROZEN_SECONDS)
        self._begin()
        self._world.redis.signal(signal.SIGSTOP)
        self._nemesis.later(seconds, self._thaw)
        return state, {"seconds": seconds}

    def _thaw(self) -> None:
        self._world.redis.signal(signal.SIGCONT)
        self._end()

    def _cut_tail(self) -> Told:
        state, seconds = self._state(), self._random.uniform(*TAIL_SECONDS)
        self._begin()
        file = self._file()
        size = file.stat().st_size
        self._nemesis.later(seconds, lambda: self._cut(file, size))
        return state, {"tail": round(seconds, 2)}

    def _file(self) -> Path:
        """The file that Redis appends to."""
        files = (self._world.redis.folder / "appendonlydir").glob("*.incr.aof")
        return max(files, key=lambda file: int(file.name.split(".")[-3]))

    def _cut(self, file: Path, size: int) -> None:
        """Kill Redis and bring it back with what its file held before."""
        world = self._world
        assert world.proxy is not None
        world.proxy.shut()
        world.redis.kill()
        killed_at = time.time()
        if self._file() == file:  # else the file was written anew meanwhile
            with open(file, "r+b") as tail:
                tail.truncate(size)
        self._return_cut(killed_at)
        self._end()

    def _return_cut(self, killed_at: float) -> None:
        """Start Redis with less than it had; nobody may write until what is gone has been noted."""
        self._world.redis.start()
        wait_until(lambda: self._noted(killed_at), 20, message="Redis to have read what was left of its file")
        assert self._world.proxy is not None
        self._world.proxy.open()
        for restore in self._nemesis.after_cut:
            restore()

    def _noted(self, killed_at: float) -> bool:
        try:
            self._world.collector.cut(killed_at)
        except FAILURES:
            return False
        return True

    # ---------------------------------------------------------------- no room
    def _fill_memory(self) -> Told:
        state = self._state()
        try:
            used = int(self._world.client.info("memory")["used_memory"])
            self._world.client.config_set("maxmemory", used + 20_000)
        except FAILURES as failure:
            raise Unsuitable from failure
        self._begin()
        self._nemesis.later(self._random.uniform(*FULL_SECONDS), self._relieve_memory)
        return state, {}

    def _relieve_memory(self) -> None:
        try:
            self._world.client.config_set("maxmemory", 0)
        except FAILURES:
            return self._nemesis.later(0.2, self._relieve_memory)
        return self._end()

    def _fill_disk(self) -> Told:
        state = self._state()
        if not self._world.fill_disk():
            raise Unsuitable
        self._begin()
        self._nemesis.later(self._random.uniform(1.0, 2.5), self._relieve_disk)
        return state, {}

    def _relieve_disk(self) -> None:
        self._world.relieve_disk()
        self._end()

    # ---------------------------------------------------------------- at once
    def _flush_scripts(self) -> Told:
        state = self._state()
        try:
            self._world.client.script_flush()
        except FAILURES as failure:
            raise Unsuitable from failure
        return state, {}

    def _kill_client(self) -> Told:
        state = self._state()
        try:
            found = [one for one in self._world.client.client_list() if one["name"].startswith("headgate")]
            victim = self._random.choice(found) if found else None
            if victim is None or not self._world.client.client_kill_filter(_id=victim["id"]):
                raise Unsuitable
        except FAILURES as failure:
            raise Unsuitable from failure
        return state, {"name": victim["name"]}
