"""A private installation on which commands are typed at a terminal: hosts with names of their own, a real night's runs.

Every process gets a UTS namespace (that needs root), so that pages show the same machines wherever they are made.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orchestrator.client import Client
from orchestrator.store import Store
from tests.support.installation import Installation
from tests.support.roles import started
from tests.support.terminal import Terminal
from tests.support.waiting import wait_until

COLUMNS = 110
DESK = "desk"
FOLDER, ADDRESS = "/srv/flows", "unix:///run/redis.sock"
NEW_UTS = "0x04000000"
ON_HOST = f"""
import ctypes, os, sys
libc, host = ctypes.CDLL(None, use_errno=True), sys.argv[1].encode()
if libc.unshare({NEW_UTS}) or libc.sethostname(host, len(host)):
    sys.exit("a host name of its own needs root: " + os.strerror(ctypes.get_errno()))
os.execv(sys.argv[2], sys.argv[2:])
"""
NIGHT_HOUR = 3


@dataclass(frozen=True, kw_only=True)
class Typed:
    """One command as it was typed, and everything that appeared on the screen."""

    line: str
    screen: str
    code: int


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command to type. `{name}` in it is a run of the stage.

    `keys` are pressed once `until` is on the screen; `stdin` is shown as what `echo` sends. Of a long answer the
    first `lines` are kept. `code` is the exit code that is expected.
    """

    line: str
    until: str = ""
    keys: str = ""
    stdin: str = ""
    lines: int = 60
    code: int = 0
    alone: bool = False
    """Without the Redis of the stage: with one of its own."""


class Stage:
    """Starts the installation, types commands, and ends all of it in `close`."""

    def __init__(self, files: Mapping[str, str]) -> None:
        settings = {
            "HEADGATE_LEASE_SECONDS": "30",
            "HEADGATE_RENEW_SECONDS": "5",
            "HEADGATE_GRACE_SECONDS": "2",
            "TZ": night_zone(datetime.now(UTC)),
            "USER": "ada",
            "LOGNAME": "ada",
            "TERM": "xterm",
            "LANG": "C.UTF-8",
            "HEADGATE_CONFIG_FILE": os.devnull,
        }
        self.installation = Installation(settings)
        self.environment = {
            name: value
            for name, value in self.installation.environment.items()
            if name not in ("HEADGATE_LEASE_SECONDS", "HEADGATE_RENEW_SECONDS", "HEADGATE_GRACE_SECONDS")
        }
        self.folder = self.installation.folder
        self.environment["HEADGATE_HOME"] = str(self.folder / ".headgate")
        for name, text in files.items():
            (self.folder / name).write_text(text.replace("@FOLDER@", str(self.folder)))
        self.client = Client(Store(self.installation.redis.client()), actor="ada@desk")
        self.runs: dict[str, str] = {}

    def __enter__(self) -> Stage:
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self.installation.close()

    def type(self, step: Step) -> Typed:
        """Run one command to its end, as at a terminal; AssertionError when its exit code is another one."""
        line = step.line.format(**self.runs)
        print(f"headgate {line}", file=sys.stderr, flush=True)
        words = line.split()
        if step.stdin:
            screen, code = self._piped(words, step)
        else:
            screen, code = self._at_terminal(words, step)
        assert code == step.code, f"headgate {line}: exit code {code}\n{screen}"
        shown = f"echo {step.stdin} | headgate {line}" if step.stdin else f"headgate {line}"
        return Typed(line=shown, screen=shortened(self._neutral(screen), step.lines), code=code)

    def begin(self, host: str, *words: str) -> subprocess.Popen[bytes]:
        """Start a long-lived command on a host."""
        log = self.folder / f"role-{len(self.installation.roles)}.log"
        role = started(on_host(host, words), environment=self.environment, log=log)
        self.installation.roles.append(role)
        return role

    def begin_agent(self, name: str, *queues: str, limit: int) -> None:
        """Start an agent on the host of its name, and return once it is there."""
        self.begin(
            name, *("agent", "start", "--name", name, "--limit", str(limit)), *(f"--queue={one}" for one in queues)
        )
        wait_until(lambda: name in {agent.name for agent in self.client.list_agents()}, 30, message=self.log)

    def log(self) -> str:
        """What the long-lived commands printed."""
        return self.installation.role_logs()

    def run(self, key: str, deployment: str, **parameters: Any) -> None:
        """Make a run that later commands call `{key}`; its name is the same whenever the page is made."""
        self.runs[key] = self.client.run_deployment(deployment, parameters, request_id=f"page {key}").name

    def reaches(self, key: str, *states: str) -> None:
        """Wait until a run is in one of the states."""
        wait_until(lambda: self.client.get_flow_run(self.runs[key]).state in states, 60, message=self.log)

    def is_late(self, key: str) -> None:
        """Wait until a run counts as late."""
        wait_until(lambda: self.client.get_flow_run(self.runs[key]).state_name == "Late", 60, message=self.log)

    def _at_terminal(self, words: Sequence[str], step: Step) -> tuple[str, int]:
        environment = dict(self.environment)
        if step.alone:
            del environment["HEADGATE_REDIS_URL"]
        with Terminal(on_host(DESK, words), environment=environment, folder=self.folder, columns=COLUMNS) as terminal:
            if step.until:
                terminal.shows(step.until, 60)
                terminal.press(step.keys)
            code = terminal.ends(60)
            return terminal.screen(), code

    def _piped(self, words: Sequence[str], step: Step) -> tuple[str, int]:
        done = subprocess.run(
            on_host(DESK, words),
            env=self.environment,
            cwd=self.folder,
            input=step.stdin + "\n",
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout + done.stderr, done.returncode

    def _neutral(self, screen: str) -> str:
        """The screen without folders of this machine; columns stay where they are."""
        screen = re.sub(rf"unix://{re.escape(str(self.installation.redis.folder))}[^\s…]*…", ADDRESS, screen)
        for found, instead in ((self.installation.redis.url, ADDRESS), (str(self.folder), FOLDER)):
            screen = re.sub(re.escape(found) + r"(\S*)( *)", Keeper(len(found) - len(instead), instead), screen)
        return screen


class Keeper:
    """Puts one text for another in a table, and lets the gap after it grow by what is missing."""

    def __init__(self, missing: int, instead: str) -> None:
        self.missing = missing
        self.instead = instead

    def __call__(self, match: re.Match[str]) -> str:
        gap = match[2] + " " * self.missing if len(match[2]) > 1 else match[2]
        return self.instead + match[1] + gap


def on_host(host: str, words: Sequence[str]) -> list[str]:
    """The command line that runs `headgate` with these words on a host of that name."""
    python = sys.executable
    return [python, "-S", "-c", ON_HOST, host, python, "-P", "-m", "orchestrator", *words]


def night_zone(now: datetime) -> str:
    """The fixed zone in which it is between 3 and 4 in the night: the hour that these pages are for."""
    ahead = (NIGHT_HOUR - now.hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}" if ahead else "UTC"


def shortened(screen: str, lines: int) -> str:
    """The first lines of a screen, without what a key press draws."""
    kept = screen.replace("^C", "").rstrip().splitlines()
    return "\n".join(line.rstrip() for line in kept[:lines]) + ("\n..." if len(kept) > lines else "")


def end(role: subprocess.Popen[bytes]) -> None:
    """End a long-lived command as a service manager does."""
    role.send_signal(signal.SIGTERM)
    role.wait(30)


def in_a_namespace() -> bool:
    """Whether this machine lets a process have a host name of its own."""
    command = [sys.executable, "-S", "-c", ON_HOST, DESK, sys.executable, "-S", "-c", "pass"]
    return os.path.exists("/proc/self/ns/uts") and subprocess.run(command, capture_output=True).returncode == 0
