"""Compiles the files of a tree once, so that no run of it has to: in a process of its own, which may die of them."""

import os
import subprocess
import sys
from pathlib import Path

LONGEST_SECONDS = 60.0
MOST_MEMORY = 1 << 30
COMPILE = (
    "import compileall, py_compile, resource, sys\n"
    "resource.setrlimit(resource.RLIMIT_DATA, ({memory}, {memory}))\n"
    "mode = py_compile.PycInvalidationMode.UNCHECKED_HASH\n"
    "tree, final = sys.argv[1:]\n"
    "compileall.compile_dir(tree, stripdir=tree, prependdir=final, quiet=2, invalidation_mode=mode)\n"
)


def compile_tree(tree: Path, final: Path) -> None:
    """Write bytecode beside the files of a tree that will stand at `final`; what can not be compiled is left alone.

    Python takes it as it is, without a look at the source: the tree is read-only.
    """
    command = [sys.executable, "-I", "-S", "-c", COMPILE.format(memory=MOST_MEMORY), str(tree), str(final)]
    if not any(name.endswith(".py") for _, _, names in os.walk(tree) for name in names):
        return
    try:
        subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=LONGEST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return
