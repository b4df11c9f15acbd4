"""Doing something at the moment user code imports a standard module, without importing it ourselves."""

import _thread
import os
import sys

from orchestrator.sdk import stdlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

    Then = Callable[[Any], None]

# SDK modules are first imported by the main thread in every supported use; the process id tells on Linux as well.
_main_ident = _thread.get_ident()


class _Watcher:
    """A finder that finds nothing itself: it adds our step to the loading of the modules it watches."""

    def __init__(self) -> None:
        self.watched: dict[str, Then] = {}

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        then = self.watched.get(name)
        if then is None or path is not None:
            return None
        spec: ModuleSpec | None = sys.modules["_frozen_importlib_external"].PathFinder.find_spec(name)
        # A user's own logging.py is theirs: nothing is attached, and the watch goes on.
        if spec is None or spec.loader is None or not stdlib.is_standard(spec.origin):
            return None
        del self.watched[name]
        spec.loader = _Loader(spec.loader, then)  # type: ignore[assignment]
        return spec


class _Loader:
    """Loads as the real loader does, gives it back its place, then takes our step."""

    def __init__(self, real: "Any", then: "Then") -> None:
        self._real = real
        self._then = then

    def create_module(self, spec: "ModuleSpec") -> "ModuleType | None":
        module: ModuleType | None = self._real.create_module(spec)
        return module

    def exec_module(self, module: "ModuleType") -> None:
        module.__loader__ = self._real
        if module.__spec__ is not None:
            module.__spec__.loader = self._real
        self._real.exec_module(module)
        self._then(module)


_watcher = _Watcher()


def after_import(name: str, then: "Then") -> None:
    """Call this with the standard module `name` right after its first import; at once if it is loaded already."""
    module = sys.modules.get(name)
    if module is not None and stdlib.is_standard(getattr(module, "__file__", None)):
        then(module)
        return
    _watcher.watched[name] = then
    if _watcher not in sys.meta_path:
        sys.meta_path.insert(0, _watcher)


def know_main_thread(threading: "Any") -> None:
    """Tell the threading module which thread is the main one, when a task was the first to import it.

    Until Python 3.13 threading takes the thread that imports it for the main thread. Then signal handling, asyncio
    and joblib inside the flow would refuse to work, and the end of the interpreter would wait for a worker.
    """
    me = _thread.get_ident()
    if sys.version_info >= (3, 13) or me == _main_ident or threading.main_thread().ident != me:
        return
    main = threading.main_thread()
    alive = _thread.allocate_lock()
    alive.acquire()
    with threading._active_limbo_lock:
        threading._active.pop(me, None)
        main._ident = _main_ident
        threading._active[_main_ident] = main
    main._native_id = os.getpid()
    with threading._shutdown_locks_lock:
        threading._shutdown_locks.discard(main._tstate_lock)
        threading._shutdown_locks.add(alive)
    main._tstate_lock = alive
