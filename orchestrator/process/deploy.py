"""The process of `headgate deployment create FILE`: loads the user's file and answers what it declares, as JSON.

Started as ``python -P -c CODE <fd> <path>``. It is clean in that a file of the user's may have any name: everything
of ours is loaded before the user's folder comes onto sys.path. The answer is one line on the inherited descriptor:
``{"specs": […], "warnings": […]}`` or ``{"error": {code, message, field, hint, file, line, traceback}}``. How long
loading may take is the business of whoever started it.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from orchestrator.deployments import DeploymentSpec, flow_file
from orchestrator.deployments.declared import Collection
from orchestrator.deployments.doubled_keys import refuse_doubled_keys
from orchestrator.deployments.recorded import recorded, warnings
from orchestrator.deployments.source_text import LARGEST_FILE
from orchestrator.errors import HeadgateError, InvalidDeployment, InvalidFlowFile
from orchestrator.process.learning import is_foreign
from orchestrator.process.load_errors import explained
from orchestrator.schedules import CronSchedule

MOST_SPECS = 1000
WORTH_SECONDS = 0.3
"""From how long a file takes to be loaded it is said that warm runs need not wait for that."""


def main(fd: int, path: str) -> None:
    """Load the file, write the answer, leave; never returns. Threads that the file has started do not hold it up."""
    warm_up()
    answer(fd, answered(path))


def answer(fd: int, said: dict[str, Any]) -> NoReturn:
    """Write an answer and end this process at once."""
    line = json.dumps(said, ensure_ascii=True).encode() + b"\n"
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):
            continue
    while line:
        line = line[os.write(fd, line) :]
    os._exit(0)


def warm_up() -> None:
    """Have everything loaded that checking a deployment needs: zones, croniter, and the modules behind them."""
    str(CronSchedule("0 0 1 1 *", timezone="America/New_York"))


def answered(path: str) -> dict[str, Any]:
    """What the file declares, or what is wrong with it."""
    folder = os.path.dirname(path)
    try:
        with open(path, "rb") as file:
            refuse_doubled_keys(file.read(LARGEST_FILE), path)
        there, began = frozenset(sys.modules), time.monotonic()
        with Collection() as declared, flow_file.loaded(path, folder) as names:
            pays = worth(time.monotonic() - began, there, folder)
            own = [spec for spec in declared if spec.origin.path == path]
            if not own:
                raise nothing_declared(path, names, declared)
            if len(own) > MOST_SPECS:
                raise InvalidDeployment(f"expected at most {MOST_SPECS} deployments in a file, got {len(own)}")
            specs = [located(spec) for spec in own]
            refuse_doubles(own, specs)
            notes = [note for spec in own for note in warnings(spec)]
            notes += [f"{spec.name}: {pays}" for spec in own if pays and not is_warm(spec)]
            return {"specs": specs, "warnings": [*notes, *others(path, declared)]}
    except BaseException as error:  # a KeyboardInterrupt is the file's own: Ctrl-C does not reach this session
        return {"error": explained(error, path)}


def worth(seconds: float, there: frozenset[str], folder: str) -> str:
    """The sentence on what warm runs would save; empty when that is little, or the time is the user's own code's."""
    loaded = [getattr(module, "__file__", None) for name, module in list(sys.modules.items()) if name not in there]
    if seconds < WORTH_SECONDS or not any(isinstance(file, str) and is_foreign(file, folder) for file in loaded):
        return ""
    return (
        f"loading its file took {seconds:.1f} s, as it does in every run: with SubprocessFlowRunner(warm=True) agents "
        "keep the installed packages loaded"
    )


def is_warm(spec: DeploymentSpec) -> bool:
    """Whether its runs are forked already."""
    return spec.flow_runner is not None and spec.flow_runner.warm


def located(spec: DeploymentSpec) -> dict[str, Any]:
    """A spec as it is recorded; an error says where the deployment stands, unless it is about another file."""
    try:
        return recorded(spec)
    except HeadgateError as error:
        if getattr(error, "file", None) is None:
            error.file, error.line = spec.origin.path, spec.origin.line  # type: ignore[attr-defined]
        raise


def nothing_declared(path: str, names: dict[str, Any], declared: Sequence[DeploymentSpec]) -> InvalidFlowFile:
    """The error of a file without deployments: what is there instead, and what to add."""
    file = os.path.basename(path)
    flows = flow_file.flows_of(names)
    if declared:
        places = ", ".join(sorted({os.path.basename(spec.origin.path) for spec in declared}))
        message = f"there is no DeploymentSpec in {file} itself, only in {places}, which it imports"
        return InvalidFlowFile(message, code="no-deployment", file=path, hint="name that file instead")
    if not flows:
        return InvalidFlowFile(
            f"there is no flow and no DeploymentSpec in {file}",
            code="no-flow",
            file=path,
            hint="put @flow above a function, and DeploymentSpec(flow=…, name=…) below it",
        )
    if len(flows) > 1:
        message = f"there is no DeploymentSpec in {file}, but {len(flows)} flows: {', '.join(flows)}"
        hint = f"choose by adding DeploymentSpec(flow={next(iter(flows))}, name='…')"
        return InvalidFlowFile(message, code="several-flows", file=path, hint=hint)
    hint = f"add DeploymentSpec(flow={next(iter(flows))}, name='…') at its end"
    if "DeploymentSpec" in names:
        hint = 'move it to the top level: a function, or what is below `if __name__ == "__main__":`, does not run here'
    message = f"there is no DeploymentSpec in {file}, only the flow {next(iter(flows))}"
    return InvalidFlowFile(message, code="no-deployment", file=path, hint=hint)


def refuse_doubles(declared: Sequence[DeploymentSpec], specs: Sequence[dict[str, Any]]) -> None:
    """Two deployments under one name, or under names that differ only by case; both places are named."""
    seen: dict[str, tuple[str, int]] = {}
    for spec, made in zip(declared, specs, strict=True):
        name, line = f"{made['flow']}/{made['name']}", spec.origin.line
        other, other_line = seen.setdefault(name.lower(), (name, line))
        if other_line != line:
            what = f"{name} is declared twice" if name == other else f"{other} and {name} differ only by case"
            error = InvalidDeployment(
                f"{what}, in lines {other_line} and {line}", field="name", hint="rename one of them"
            )
            error.file, error.line = spec.origin.path, line  # type: ignore[attr-defined]
            raise error


def others(path: str, declared: Sequence[DeploymentSpec]) -> list[str]:
    """A sentence for each imported file whose deployments were left alone."""
    files = dict.fromkeys(spec.origin.path for spec in declared if spec.origin.path != path)
    return [f"the deployments in {file}, which this file imports, were left as they are" for file in files]
