"""Our modules out of one piece of memory, which the agent has filled once: none is looked for on the disk.

The first thing that a flow's process runs (`agent.runners.pack`). Files, sources and tracebacks of the modules are what
they would be without it.
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

_external = sys.modules["_frozen_importlib_external"]
_ModuleSpec = sys.modules["_frozen_importlib"].ModuleSpec


def load(packed: "list[tuple[str, str, bool, CodeType]]") -> None:
    """Load these modules in this order: of each its name, its file, whether it is a package, and its bytecode."""
    module_type, modules = type(sys), sys.modules
    for name, file, is_package, code in packed:
        module = modules[name] = module_type(name)
        loader = _external.SourceFileLoader(name, file)
        spec = _ModuleSpec(name, loader, origin=file, is_package=is_package)
        spec.has_location = True
        module.__spec__, module.__loader__, module.__file__ = spec, loader, file
        if is_package:
            module.__path__ = spec.submodule_search_locations = [file[: -len("/__init__.py")]]
            module.__package__ = name
        else:
            module.__package__ = name.rpartition(".")[0]
        parent, _, last = name.rpartition(".")
        exec(code, module.__dict__)
        if parent:
            setattr(modules[parent], last, module)
