"""Which Python an environment is made from: asked once by running it, the answer kept on the disk.

The supervisor never runs one: it finds what a preparation has written down. An interpreter is known by its path, size
and time, so that an upgraded one is asked anew.
"""

import hashlib
import json
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.errors import PreparationFailed

OLDEST = (3, 11)
ANSWER = "headgate:"
ASK = (
    "import sys, os, json; i = getattr(sys, 'implementation', None); u = os.uname(); "
    "print('headgate:' + json.dumps({'path': os.path.realpath(sys.executable), "
    "'version': '.'.join(map(str, sys.version_info[:3])), 'implementation': getattr(i, 'name', 'python'), "
    "'platform': getattr(i, '_multiarch', sys.platform + '-' + u[4])}))"
)
# Old enough to know no -P: the folder that it is started in must not be looked into.
FLAGS = ("-E", "-s", "-c", "import sys; del sys.path[0]; " + ASK)
ASK_SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """What an environment depends on."""

    path: str
    """Its real path: an environment is a folder that points there."""
    version: str
    implementation: str
    platform: str

    @property
    def is_too_old(self) -> bool:
        """Whether flows can not run in it."""
        return tuple(int(part) for part in self.version.split(".")[:2] if part.isdigit()) < OLDEST

    def digest_with(self, lines: tuple[str, ...]) -> str:
        """What an environment of these requirements is called."""
        text = json.dumps({"schema": 1, "lines": lines, **asdict(self)}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Interpreters:
    """Answers for interpreters by path; `folder` is where answers are kept."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, Interpreter] = {}

    def known(self, python: str | None) -> Interpreter | None:
        """What is known without running it; None when it was not asked yet, or is not there."""
        if python is None:
            return own_interpreter()
        try:
            kept = self._kept(python)
            if kept not in self._known:
                self._known[kept] = Interpreter(**json.loads(kept.read_text()))
        except (OSError, ValueError, TypeError):
            return None
        return self._known[kept]

    def ask(self, python: str | None, host: str) -> Interpreter:
        """What it is, by running it if need be; raises PreparationFailed."""
        found = self.known(python)
        if found is None and python is not None:
            found = self._asked(python, host)
        assert found is not None
        if found.is_too_old:
            what = f"the environment needs Python {'.'.join(map(str, OLDEST))} or newer"
            raise PreparationFailed(f"{what}, {python or sys.executable} on {host} is {found.version}", final=True)
        return found

    def _kept(self, python: str) -> Path:
        path = os.path.realpath(python)
        found = os.stat(path)  # noqa: PTH116 (realpath is text)
        text = f"{path}\0{found.st_size}\0{found.st_mtime_ns}\0{found.st_ino}"
        return self._folder / f"python-{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"

    def _asked(self, python: str, host: str) -> Interpreter:
        where = f"{python} on {host}"
        if not Path(python).is_file():
            raise PreparationFailed(f"expected a Python interpreter at {where}, found none", final=True)
        try:
            told = subprocess.run(
                [python, *FLAGS], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=ASK_SECONDS
            )
        except OSError as error:
            raise PreparationFailed(f"{where} can not be started: {error.strerror}", final=True) from error
        except subprocess.TimeoutExpired as error:
            raise PreparationFailed(f"{where} did not answer within {ASK_SECONDS:g} s", final=False) from error
        try:
            line = next(line for line in told.stdout.splitlines() if line.startswith(ANSWER))
            found = Interpreter(**json.loads(line.removeprefix(ANSWER)))
        except (StopIteration, ValueError, TypeError):
            said = (told.stderr.strip().splitlines() or ["nothing"])[-1][:200]
            raise PreparationFailed(f"expected a Python interpreter at {where}, it says: {said}", final=True) from None
        # Kept whole or not at all; without it the supervisor only asks for another preparation.
        with suppress(OSError):
            kept = self._kept(python)
            draft = kept.with_suffix(f".{os.getpid()}")
            draft.write_text(json.dumps(asdict(found)))
            draft.rename(kept)
        return found


def own_interpreter() -> Interpreter:
    """The one that this process runs in."""
    own = sys.implementation
    return Interpreter(
        path=os.path.realpath(sys.executable),
        version=".".join(map(str, sys.version_info[:3])),
        implementation=own.name,
        platform=getattr(own, "_multiarch", f"{sys.platform}-{os.uname().machine}"),
    )
