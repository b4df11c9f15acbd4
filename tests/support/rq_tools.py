"""The stock command line of rq, as an operator would run it on our Redis."""

from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = "import sys; from rq.cli import main; sys.argv[0] = 'rq'; main()"


def rq(url: str, *words: str, prefix: str = "{headgate}") -> str:
    """Run `rq WORDS -u URL` to its end and give what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, words[0], "-u", url, *words[1:]],
        env={**os.environ, "RQ_KEY_PREFIX": f"{prefix}:rq", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, f"rq {' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr
