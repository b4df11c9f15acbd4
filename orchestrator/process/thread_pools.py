"""The pools of numerical libraries: one thread in a process that will be forked, as many as without it in a fork.

A pool that was started before a fork has no threads after it, and whoever uses it then waits for ever.
"""

import ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Restore = list[tuple[Callable[[int], Any], int]]

POOLS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
# The allocator of pyarrow, which pandas imports, gives memory back in a thread of its own unless it is told not to.
ALLOCATOR, NO_THREAD = "JE_ARROW_MALLOC_CONF", "background_thread:false"
VARIABLES = (*POOLS, ALLOCATOR)

_OPENBLAS = ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS")
_OPENMP = ("OMP_NUM_THREADS",)
# Part of a file's name, what sets its number of threads, which variables say how many there shall be.
_LIBRARIES = (
    ("openblas", ("scipy_openblas_set_num_threads64_", "scipy_openblas_set_num_threads"), _OPENBLAS),
    ("openblas", ("openblas_set_num_threads64_", "openblas_set_num_threads"), _OPENBLAS),
    ("mkl_rt", ("MKL_Set_Num_Threads",), ("MKL_NUM_THREADS", *_OPENMP)),
    ("libgomp", ("omp_set_num_threads",), _OPENMP),
    ("libiomp", ("omp_set_num_threads",), _OPENMP),
    ("libomp", ("omp_set_num_threads",), _OPENMP),
)
RTLD_NOLOAD = 4


class OneThread:
    """Inside of it libraries start no thread when they are loaded."""

    def __enter__(self) -> "OneThread":
        self._before = {name: os.environ.get(name) for name in VARIABLES}
        os.environ.update(dict.fromkeys(POOLS, "1"))
        os.environ[ALLOCATOR] = ",".join(filter(None, (self._before[ALLOCATOR], NO_THREAD)))
        return self

    def __exit__(self, *_: object) -> None:
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def to_restore() -> "Restore":
    """What has to be called in a fork, with which number: for the libraries that are loaded now."""
    found: Restore = []
    with open("/proc/self/maps", errors="replace") as file:
        paths = sorted({line.split(None, 5)[5].strip() for line in file if ".so" in line})
    for path in paths:
        name = os.path.basename(path).lower()
        for part, functions, variables in _LIBRARIES:
            wanted = _wanted(variables)
            setter = _function(path, functions) if part in name and wanted > 1 else None
            if setter is not None:
                found.append((setter, wanted))
    return found


def restore(found: "Restore") -> None:
    """Give a fork the pools that it would have without the process it is forked from."""
    for setter, wanted in found:
        setter(wanted)


def _wanted(variables: tuple[str, ...]) -> int:
    for name in variables:
        first = os.environ.get(name, "").partition(",")[0].strip()
        if first.isdigit() and int(first) > 0:
            return int(first)
    return len(os.sched_getaffinity(0))


def _function(path: str, names: tuple[str, ...]) -> "Callable[[int], Any] | None":
    try:
        library = ctypes.CDLL(path, mode=RTLD_NOLOAD | os.RTLD_NOW)
    except OSError:
        return None
    setter = next((getattr(library, name) for name in names if hasattr(library, name)), None)
    if setter is not None:
        setter.argtypes, setter.restype = (ctypes.c_int,), None
    return setter
