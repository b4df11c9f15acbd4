"""Loading the file a flow lives in, as a module of its own name, without running its `__main__` part."""

import os
import sys

from orchestrator.sdk import stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any

_SUFFIX = ".py"
_FLAGS = 4  # after the magic number


def load(path: str, folder: str) -> "ModuleType":
    """Import exactly this file with its folder first on sys.path; raises whatever the file raises.

    It is registered under its stem, so that pickling its functions and importing it from spawned processes works.
    """
    if folder not in sys.path[:1]:
        sys.path.insert(0, folder)
    sys.argv = [path]
    name = module_name(path)
    external = sys.modules["_frozen_importlib_external"]
    loader = external.SourceFileLoader(name, path)
    if not _has_hashed_bytecode(loader, external.cache_from_source(path)):
        # Compiled from its text: Python takes stale bytecode for a file changed within a second to the same size.
        loader.get_code = lambda _: loader.source_to_code(loader.get_data(path), path)
    spec = external.spec_from_file_location(name, path, loader=loader)
    module: ModuleType = sys.modules["_frozen_importlib"].module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    return sys.modules.get(name, module)


def _has_hashed_bytecode(loader: "Any", cached: str) -> bool:
    """Whether the bytecode beside a file belongs to what the file contains and not to when it was changed (PEP 552)."""
    try:
        return bool(loader.get_data(cached)[_FLAGS] & 1)
    except (OSError, IndexError):
        return False


def module_name(path: str) -> str:
    """The file's stem, or a name of its own when the stem is taken by a module that others already use."""
    stem = os.path.basename(path).removesuffix(_SUFFIX)
    taken = sys.modules.get(stem)
    if taken is None or not (stem == "orchestrator" or stdlib.is_standard(getattr(taken, "__file__", None))):
        return stem
    return f"{stem}_flow"


def flows_in(module: "ModuleType") -> list[str]:
    """Names of the flows a module holds, in the order of their definition."""
    from orchestrator.sdk.flows import Flow

    return [name for name, value in vars(module).items() if isinstance(value, Flow)]
