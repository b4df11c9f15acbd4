"""Starting a long-lived command for a test: it ends with the test at the latest, and what it prints is kept."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.redis_server import die_with_parent


def started(words: Sequence[str], *, environment: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start it in the folder of its log, to which it appends what it prints."""
    with open(log, "ab") as output:
        return subprocess.Popen(
            words,
            env=environment,
            cwd=log.parent,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            preexec_fn=die_with_parent,
        )
