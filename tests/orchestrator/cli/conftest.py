"""The real command in a process of its own, against the private Redis of the test."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis as redis_py

from queues.keys import Keys
from tests.support.commands import COMMAND, ROOT, run_command
from tests.support.deployments import Worker, spec
from tests.support.redis_server import RedisServer


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What one command printed, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The JSON on stdout."""
        return json.loads(self.out)

    def error(self) -> dict[str, Any]:
        """The JSON object that an error leaves on stderr with `-o json`: its last line."""
        found: dict[str, Any] = json.loads(self.err.splitlines()[-1])
        return found


@dataclass(frozen=True, kw_only=True)
class Headgate:
    """Runs `headgate` as a user does, in a folder and with settings of the test's own."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)

    def __call__(
        self, *words: str, code: int | None = 0, stdin: str = "", settings: dict[str, str] | None = None
    ) -> Answer:
        """Run one command; a traceback is never right, and neither is an exit code other than `code` (None: any)."""
        done = run_command(words, env=self.environment | (settings or {}), cwd=self.folder, stdin=stdin)
        answer = Answer(code=done.returncode, out=done.stdout, err=done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, f"{' '.join(words)}: {answer}"
        return answer

    def command(self, words: Sequence[str]) -> list[str]:
        """The command line of a process that runs `headgate` with these words."""
        return [*COMMAND, *words]

    @property
    def environment(self) -> dict[str, str]:
        """This process's environment without anything that could reach an installation, plus the test's settings."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HEADGATE_", "RQ_"))}
        own = {"HEADGATE_HOME": str(self.folder / "home"), "HEADGATE_CONFIG_FILE": os.devnull}
        return kept | own | {"PYTHONPATH": str(ROOT), "TZ": "UTC"} | self.settings

    def json(self, *words: str) -> Any:
        """Run a command with `-o json` and decode what it printed."""
        return self(*words, "-o", "json").json()

    def with_settings(self, **settings: str) -> Headgate:
        """The same with further environment variables."""
        return replace(self, settings=self.settings | settings)

    def write(self, name: str, text: str) -> str:
        """Write a file into the folder and answer its name."""
        (self.folder / name).write_text(text)
        return name


@pytest.fixture
def offline(tmp_path: Path) -> Headgate:
    """The command where no Redis can be reached: for everything that must be answered without one."""
    return Headgate(folder=tmp_path, settings={"HEADGATE_REDIS_URL": f"unix://{tmp_path}/no-such.sock"})


@pytest.fixture
def headgate(tmp_path: Path, redis_url: str) -> Headgate:
    """The command on the empty Redis of this test."""
    return Headgate(folder=tmp_path, settings={"HEADGATE_REDIS_URL": redis_url})


@pytest.fixture
def contents(redis_server: RedisServer, redis: redis_py.Redis) -> Any:
    """A function that answers all that stands in Redis, to compare before and after.

    Not which server was met, which every new connection notes, nor which agents are idle, which expires by itself.
    """

    def read() -> dict[bytes, bytes | None]:
        keys = set(redis.scan_iter()) - {Keys().recovery.encode()} - set(redis.scan_iter(Keys().idling("*")))
        return {key: redis.dump(key) for key in sorted(keys)}

    return read


@pytest.fixture
def running() -> Iterator[list[subprocess.Popen[Any]]]:
    """Processes that a test started; at its end they and all below them are killed and gone.

    A supervisor outlives its keeper by a moment, in which it would write into what the next test looks at.
    """
    started: list[subprocess.Popen[Any]] = []
    yield started
    for process in started:
        with suppress(psutil.NoSuchProcess):
            whole = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
            for one in whole:
                with suppress(psutil.NoSuchProcess):
                    one.kill()
            psutil.wait_procs(whole[1:], timeout=10)
        process.wait(10)


@pytest.fixture
def opened(redis: redis_py.Redis) -> Any:
    """A client on the same Redis, on its own clock: makes what a test needs faster than commands do."""
    from orchestrator.client import Client
    from orchestrator.store import Store

    return Client(Store(redis), actor="ada@lab")


@pytest.fixture
def store(opened: Any) -> Any:
    """The store below that client."""
    return opened.store


@pytest.fixture
def deployed(opened: Any) -> Any:
    """That client with the deployment score/nightly."""
    opened.create_from_spec(spec())
    return opened


@pytest.fixture
def worker(deployed: Any, store: Any) -> Worker:
    """An agent that does what the test says."""
    return Worker(store, "ant")
