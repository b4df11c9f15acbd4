"""How an agent starts a flow's process: `SubprocessFlowRunner`, the description of it in a deployment.

A flow's file names its runner, so the flow's own process makes one at every run: nothing is imported for it.
"""

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import NoReturn

_LONGEST_VALUE = 64 * 1024
# What would change how the interpreter itself starts, before the first line of ours.
_DENIED = ("LD_PRELOAD", "LD_AUDIT", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONINSPECT")
_OURS = "HEADGATE_"


class SubprocessFlowRunner:
    """Each run in a fresh interpreter of its own.

    `env`: variables added to the run's environment. `virtualenv` (folder), `condaenv` (name or folder) or `python`
    (executable), at most one: which interpreter; default is the agent's own. `working_dir`: default is the folder of
    the flow's file. `warm` needs a later version.
    """

    def __init__(
        self,
        env: "Mapping[str, str] | None" = None,
        virtualenv: "str | os.PathLike[str] | None" = None,
        condaenv: str | None = None,
        python: "str | os.PathLike[str] | None" = None,
        working_dir: "str | os.PathLike[str] | None" = None,
        warm: bool = False,
    ) -> None:
        if warm:
            _refuse("warm", "warm=True is not available in this version: it comes with a later one", "leave it out")
        self.env = _checked_env(env)
        self.virtualenv = _checked_path("virtualenv", virtualenv)
        self.condaenv = _checked_path("condaenv", condaenv)
        self.python = _checked_path("python", python)
        self.working_dir = _checked_path("working_dir", working_dir)
        self.warm = False
        given = [name for name in ("virtualenv", "condaenv", "python") if getattr(self, name) is not None]
        if len(given) > 1:
            _refuse(given[1], f"expected one of virtualenv, condaenv and python, got {' and '.join(given)}", "keep one")

    def to_dict(self) -> "dict[str, object]":
        """The fields as a deployment records them; paths with `~` expanded."""
        return {
            "env": dict(self.env),
            "virtualenv": self.virtualenv,
            "condaenv": self.condaenv,
            "python": self.python,
            "working_dir": self.working_dir,
        }

    def __repr__(self) -> str:
        given = {name: value for name, value in self.to_dict().items() if value}
        return f"SubprocessFlowRunner({', '.join(f'{name}={value!r}' for name, value in given.items())})"

    def __eq__(self, other: object) -> bool:
        return self.to_dict() == other.to_dict() if isinstance(other, SubprocessFlowRunner) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # it holds a dict


def _checked_env(env: "Mapping[str, str] | None") -> dict[str, str]:
    if env is None:
        return {}
    if not hasattr(env, "items"):
        _refuse(
            "env", f"expected flow_runner.env to be a dict of texts, got {env!r:.80}", 'write env={"NAME": "value"}'
        )
    for name, value in env.items():
        _check_variable(name, value)
    return dict(env)


def _check_variable(name: object, value: object) -> None:
    field = f"env.{name}"
    if not isinstance(name, str) or not name or "=" in name or "\0" in name:
        _refuse("env", f"expected a name in flow_runner.env, got {name!r:.80}", "a name is text without = and NUL")
    if not isinstance(value, str) or "\0" in value:
        _refuse(field, f"expected flow_runner.{field} to be text, got {value!r:.80}", "write it in quotes, without NUL")
    if len(value) > _LONGEST_VALUE:
        _refuse(field, f"expected at most {_LONGEST_VALUE} characters in {name}, got {len(value)}", "put it in a file")
    if name in _DENIED:
        hint = "use virtualenv= or python= for libraries, and the flow's own folder for modules"
        _refuse(field, f"{name} can not be set for a run: it changes how the interpreter itself starts", hint)
    if name.startswith(_OURS):
        _refuse(field, f"{name} can not be set for a run: {_OURS}… variables are Headgate's own", "choose another name")


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
