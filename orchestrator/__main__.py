"""`python -m orchestrator`: the same command as `headgate`."""

import os
import sys

# `python -m` puts the current folder first, where a user's own `agent.py` or `queues/` would hide ours.
if not getattr(sys.flags, "safe_path", False) and (
    sys.path[0] == os.getcwd() != os.path.dirname(os.path.dirname(__file__))
):
    del sys.path[0]

from orchestrator.cli.main import main

main()
