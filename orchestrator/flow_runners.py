"""How an agent starts a flow's process: `SubprocessFlowRunner`, the description of it in a deployment, and its limits.

A flow's file names its runner, so the flow's own process makes one at every run: nothing is imported for it.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import NoReturn

MOST_VARIABLE_BYTES = 256 * 1024
"""Bytes of all variables that one of work queue, deployment and run may set."""

_LONGEST_VALUE = 64 * 1024
# What would change how the interpreter itself starts, before the first line of ours.
_DENIED = (
    *("LD_PRELOAD", "LD_AUDIT", "GCONV_PATH", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT"),
    *("PYTHONPLATLIBDIR", "PYTHONEXECUTABLE", "PYTHONUSERBASE"),
)
_OURS = "HEADGATE_"
_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_UNITS |= {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40}
_RANGES = {
    "memory_bytes": (16 << 20, 1 << 50),
    "cpu_seconds": (1, 366 * 86400),
    "processes": (1, 32768),
    "open_files": (32, 1 << 20),
    "nice": (0, 19),
}


class ResourceLimits:
    """What a run may use of its machine, all its processes together; what is not given is not limited.

    `memory` ("2 GiB", "500 MB", or a number of bytes), `cpu_seconds` of work of the processor, `processes` at once (the
    flow's own counts), `open_files` of each process, `nice` from 0 to 19: the higher, the more others come first. A run
    that goes over its memory, its CPU time or its processes is ended, and its reason names the limit and the most it
    used.
    """

    def __init__(
        self,
        memory: "str | int | None" = None,
        cpu_seconds: "float | None" = None,
        processes: "int | None" = None,
        open_files: "int | None" = None,
        nice: "int | None" = None,
    ) -> None:
        size = None if memory is None else _size(memory)
        given = {
            "memory_bytes": size,
            "cpu_seconds": cpu_seconds,
            "processes": processes,
            "open_files": open_files,
            "nice": nice,
        }
        self._given = {name: value for name, value in given.items() if value is not None}
        problem = limits_problem(self._given)
        if problem is not None:
            _refuse(*problem)

    def to_dict(self) -> "dict[str, int | float]":
        """Those that are given, as a deployment records them."""
        return dict(self._given)

    def __repr__(self) -> str:
        return f"ResourceLimits({', '.join(f'{name}={value!r}' for name, value in self._given.items())})"

    def __eq__(self, other: object) -> bool:
        return self._given == other._given if isinstance(other, ResourceLimits) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # as little as the runner that holds it


class SubprocessFlowRunner:
    """Each run in a process of its own: a fresh interpreter, or (`warm`) a fork of one that has imported what it needs.

    `env`: variables added to the run's environment. `virtualenv` (folder), `condaenv` (name or folder) or `python`
    (executable), at most one: which interpreter; default is the agent's own. `working_dir`: default is the folder of
    the flow's file. `limits`: what a run may use, as ResourceLimits. `requirements`: lines as pip reads them, or a file
    of them (relative to the deployment file, read when it is deployed); the agent makes an environment with them, once,
    from `python` if that is given. `warm`: the agent keeps a process that has imported the installed packages which the
    last cold run needed, and forks it for each run; the user's own modules are imported anew in each.
    """

    def __init__(
        self,
        env: "Mapping[str, str] | None" = None,
        virtualenv: "str | os.PathLike[str] | None" = None,
        condaenv: str | None = None,
        python: "str | os.PathLike[str] | None" = None,
        working_dir: "str | os.PathLike[str] | None" = None,
        warm: bool = False,
        limits: "ResourceLimits | None" = None,
        requirements: "Sequence[str] | str | os.PathLike[str] | None" = None,
    ) -> None:
        self.env = _checked_env(env)
        self.virtualenv = _checked_path("virtualenv", virtualenv)
        self.condaenv = _checked_path("condaenv", condaenv)
        self.python = _checked_path("python", python)
        self.working_dir = _checked_path("working_dir", working_dir)
        self.limits = _checked_limits(limits)
        if not isinstance(warm, bool):
            _refuse("warm", f"expected flow_runner.warm to be True or False, got {warm!r:.80}", "write warm=True")
        self.warm = warm
        given = [name for name in ("virtualenv", "condaenv", "python") if getattr(self, name) is not None]
        if len(given) > 1:
            _refuse(given[1], f"expected one of virtualenv, condaenv and python, got {' and '.join(given)}", "keep one")
        self.requirements = _checked_requirements(requirements)
        if self.requirements and given and given[0] != "python":
            hint = f"install them into the {given[0]} yourself, or leave {given[0]} out"
            message = f"requirements make an environment of their own: they do not go together with {given[0]}"
            _refuse("requirements", message, hint)

    def to_dict(self) -> "dict[str, object]":
        """The fields as a deployment records them; paths with `~` expanded; a file of requirements by its name."""
        made: dict[str, object] = {
            "env": dict(self.env),
            "virtualenv": self.virtualenv,
            "condaenv": self.condaenv,
            "python": self.python,
            "working_dir": self.working_dir,
        }
        if self.limits is not None and self.limits.to_dict():
            made["limits"] = self.limits.to_dict()
        if self.requirements:
            made["requirements"] = self.requirements
        if self.warm:
            made["warm"] = True
        return made

    def __repr__(self) -> str:
        given = {name: value for name, value in self.to_dict().items() if value}
        return f"SubprocessFlowRunner({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, SubprocessFlowRunner) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it holds a dict


def variables_problem(env: "Mapping[str, object]", shown: str = "env") -> "tuple[str, str, str] | None":
    """What is wrong with variables for a run: the field, a sentence, what to do; None when nothing is.

    The same for those of work queues, deployments and runs, where they are set and where an agent reads them; `shown`
    is what sentences call them.
    """
    for name, value in env.items():
        problem = _variable_problem(name, value, shown)
        if problem is not None:
            return problem
    size = sum(len(name.encode()) + len(str(value).encode()) + 2 for name, value in env.items())
    if size > MOST_VARIABLE_BYTES:
        text = f"expected at most {MOST_VARIABLE_BYTES} bytes of variables in all, got {size}"
        return "env", text, "put it in a file"
    return None


def _variable_problem(name: object, value: object, shown: str) -> "tuple[str, str, str] | None":
    if not isinstance(name, str) or not name or "=" in name or not _can_be_passed(name):
        return "env", f"expected the name of a variable, got {name!r:.80}", "a name is text without = and NUL"
    field = f"env.{name:.80}"
    if not isinstance(value, str) or not _can_be_passed(value):
        return (
            field,
            f"expected {shown}.{name:.80} to be text without NUL, got {value!r:.80}",
            "write the value in quotes",
        )
    size = len(value.encode())
    if size > _LONGEST_VALUE or len(name) > _LONGEST_VALUE:
        return field, f"expected at most {_LONGEST_VALUE} bytes in {name:.80}, got {size}", "put it in a file"
    if name in _DENIED:
        hint = "use virtualenv= or python= for libraries, and the flow's own folder for modules"
        return field, f"{name} can not be set for a run: it changes how the interpreter itself starts", hint
    if name.startswith(_OURS):
        text = f"{name:.80} can not be set for a run: {_OURS}… variables are Headgate's own"
        return field, text, "choose another name"
    return None


def _can_be_passed(text: str) -> bool:
    # Half a surrogate pair is no text: it has no bytes that a process could be given.
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text if letter > "\x7f")


def _checked_env(env: "Mapping[str, str] | None") -> dict[str, str]:
    if env is None:
        return {}
    if not hasattr(env, "items"):
        said = f"expected flow_runner.env to be a dict of texts, got {env!r:.80}"
        _refuse("env", said, 'write env={"NAME": "value"}')
    problem = variables_problem(env, "flow_runner.env")
    if problem is not None:
        _refuse(*problem)
    return dict(env)


def limits_problem(given: "Mapping[str, object]") -> "tuple[str, str, str] | None":
    """What is wrong with limits as a deployment records them: the field, a sentence, what to do."""
    for name, value in given.items():
        if name not in _RANGES:
            return "limits", f"expected limits of {', '.join(_RANGES)}, got {name!r:.80}", "leave it out"
        low, high = _RANGES[name]
        kind = (int, float) if name == "cpu_seconds" else int
        if not isinstance(value, kind) or isinstance(value, bool) or not low <= value <= high:
            shown = name.removesuffix("_bytes")
            said = f"expected {shown} to be a number from {low} to {high}, got {value!r:.80}"
            return f"limits.{shown}", said, "leave it out for no limit"
    return None


def _checked_limits(limits: object) -> "ResourceLimits | None":
    if limits is not None and not isinstance(limits, ResourceLimits):
        hint = "write limits=ResourceLimits(memory='2 GiB')"
        _refuse("limits", f"expected limits to be ResourceLimits, got {limits!r:.80}", hint)
    return limits


def _size(memory: object) -> int:
    if isinstance(memory, int) and not isinstance(memory, bool):
        return memory
    text = memory.strip() if isinstance(memory, str) else ""
    number = text.rstrip("KMGTiB ")
    unit = text[len(number) :].strip()
    if unit not in _UNITS or not number.isascii() or not number.replace(".", "", 1).isdigit() or len(number) > 18:
        hint = f"write it as in '2 GiB'; the units are {', '.join(_UNITS)}"
        _refuse("limits.memory", f"expected memory to be a size, got {memory!r:.80}", hint)
    return int(float(number) * _UNITS[unit])


def _checked_requirements(given: object) -> "list[str] | str | None":
    """Lines, or the name of a file; what stands in them is looked at when they are recorded."""
    if given is None or isinstance(given, str) or hasattr(given, "__fspath__"):
        return _checked_path("requirements", given)
    if not isinstance(given, (list, tuple)) or not all(isinstance(line, str) for line in given):
        hint = "write requirements=['pandas==2.2.3'] or requirements='requirements.txt'"
        _refuse("requirements", f"expected requirements to be a list of texts or a file, got {given!r:.80}", hint)
    return list(given) or None


def _checked_path(field: str, value: "str | os.PathLike[str] | None") -> str | None:
    if value is None:
        return None
    try:
        text = os.fspath(value)
    except TypeError:
        text = ""
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        _refuse(field, f"expected flow_runner.{field} to be a path, got {value!r:.80}", "leave it out for the default")
    return os.path.expanduser(text)  # noqa: PTH111  (pathlib costs as much as a bare interpreter's start)


def _refuse(field: str, message: str, hint: str) -> "NoReturn":
    # Imported only here: the errors' module costs more than the whole start of a flow's process.
    from orchestrator.errors import InvalidDeployment

    raise InvalidDeployment(message, field=f"flow_runner.{field}", hint=hint)
