"""Our modules as bytecode, in one sealed piece of memory that the process of every flow inherits.

Found, opened and checked one by one, the files of the SDK cost such a process a quarter of a bare interpreter's start;
out of one piece and in the order in which they need each other (`orchestrator.process.packed`), a tenth. The bytecode
is that of this interpreter: another one sees at the first bytes that it has no use for it, and takes the files.
"""

import fcntl
import marshal
import os
from importlib.machinery import SourceFileLoader
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from types import CodeType

from agent.runners.bootstrap import FOLDER

MODULES = (
    *("orchestrator", "orchestrator.process", "orchestrator.sdk", "orchestrator.process.frames"),
    *("orchestrator.sdk.errors", "orchestrator.sdk.interrupts", "orchestrator.process.link"),
    *("orchestrator.process.child", "orchestrator.process.life_pipe", "orchestrator.process.output"),
    *("orchestrator.sdk.stdlib", "orchestrator.process.ending", "orchestrator.process.user_code"),
    *("orchestrator.process.moves", "orchestrator.sdk.states", "orchestrator.sdk.context"),
    *("orchestrator.process.agent_reporter", "orchestrator.sdk.import_hooks", "orchestrator.sdk.workers"),
    *("orchestrator.sdk.retries", "orchestrator.sdk.futures", "orchestrator.sdk.upstream"),
    *("orchestrator.sdk.flow_runs", "orchestrator.sdk.results", "orchestrator.sdk.named"),
    *("orchestrator.sdk.parameters", "orchestrator.sdk.flows", "orchestrator.process.execution"),
    *("orchestrator.sdk.task_runs", "orchestrator.sdk.tasks", "orchestrator.sdk.logger"),
    *("orchestrator.deployments", "orchestrator.flow_runners"),
)
"""All that a flow with tasks, a logger and its deployment in its own file loads of ours, each after those it imports.

It is the budget of a start: what stands here is loaded for every flow.
"""

SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class Pack:
    """The piece of memory, under a descriptor greater than `above`, for as long as this process lives."""

    def __init__(self, *, above: int) -> None:
        content = MAGIC_NUMBER + marshal.dumps(packed())
        self.size = len(content)
        with open(os.memfd_create("headgate-sdk", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING), "wb") as file:
            file.write(content)
            file.flush()
            # Every flow has it in its hands for a moment: none may change what the next one runs.
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, SEALS)
            self.fd = fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, above + 1)


def packed() -> tuple[CodeType, list[tuple[str, str, bool, CodeType]]]:
    """The bytecode that loads the others, and what it is called with."""
    return bytecode("orchestrator.process.packed")[3], [bytecode(name) for name in MODULES]


def bytecode(name: str) -> tuple[str, str, bool, CodeType]:
    """A module's name, its file, whether it is a package, and its bytecode; raises ImportError."""
    base = Path(FOLDER).parent.joinpath(*name.split("."))
    is_package = base.is_dir()
    file = str(base / "__init__.py" if is_package else base.with_suffix(".py"))
    code = SourceFileLoader(name, file).get_code(name)
    if code is None:
        raise ImportError(f"expected {file} to have bytecode")
    return name, file, is_package, code
