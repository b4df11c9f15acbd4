"""A DeploymentSpec as it is recorded: JSON values only, the flow found, its parameters checked, defaults filled in."""

import os
from dataclasses import dataclass
from typing import Any

from orchestrator.deployments import DeploymentSpec, arguments, code, flow_file, requirements, values
from orchestrator.deployments.declared import Collection, Origin
from orchestrator.deployments.secrets import secrets
from orchestrator.errors import InvalidDeployment
from orchestrator.flow_runners import SubprocessFlowRunner
from orchestrator.schedules.checks import check, notes
from orchestrator.schedules.stored import with_slugs
from orchestrator.sdk import schema
from orchestrator.sdk.flows import Flow


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a flow is loaded from: a file, the name it has there, and the folder that comes first on sys.path."""

    path: str
    function: str
    folder: str


def recorded(spec: DeploymentSpec) -> dict[str, Any]:
    """Everything a deployment records; loads the flow's file when only its location was given."""
    origin = spec.origin
    if spec.flow is not None:
        return fields(spec, spec.flow, place_of(spec.flow, origin))
    path = flow_file.located(str(spec.flow_location), origin.folder)
    if path == origin.path:
        function, flow = flow_file.chosen(origin.namespace, spec.flow_name, path)
        return fields(spec, flow, Place(path=path, function=function, folder=origin.folder))
    # Deployments that the flow's own file declares are not what was asked for.
    with Collection(), flow_file.loaded(path, os.path.dirname(path)) as names:
        function, flow = flow_file.chosen(names, spec.flow_name, path)
        return fields(spec, flow, Place(path=path, function=function, folder=os.path.dirname(path)))


def place_of(flow: Flow, origin: Origin) -> Place:
    """Where a flow object can be found again: in the file that declares the deployment, or in the file it is from."""
    function = flow_file.named_in(origin.namespace, flow)
    if function is not None:
        return Place(path=origin.path, function=function, folder=origin.folder)
    home = os.path.abspath(flow.fn.__code__.co_filename)
    function = flow_file.named_in(flow.fn.__globals__, flow)
    if function is None:
        hint = "move the function with @flow to the top level of its file"
        raise InvalidDeployment(f"the flow {flow.name} can not be loaded again by a name", field="flow", hint=hint)
    if not flow_file.is_inside(home, origin.folder):
        hint = f"import it by name: from {flow.fn.__module__} import {function}"
        raise InvalidDeployment(f"the flow {flow.name} is in {home}, outside this folder", field="flow", hint=hint)
    return Place(path=home, function=function, folder=origin.folder)


def fields(spec: DeploymentSpec, flow: Flow, place: Place) -> dict[str, Any]:
    """The record, field by field."""
    arguments.check_flow_name(flow.name, place.function)
    runner = spec.flow_runner or SubprocessFlowRunner()
    schedules = arguments.checked_schedules(spec)
    for schedule in schedules:
        check(schedule)
    parameters = values.plain_parameters(spec.parameters or {})
    flow_schema = schema.flow_schema(flow)
    requires = arguments.checked_labels(spec.requires)
    values.check_against(flow_schema, parameters, complete=bool(schedules))
    return {
        "name": spec.name,
        "flow": flow.name,
        "path": place.path,
        "function": place.function,
        "folder": place.folder,
        "entry": os.path.relpath(place.path, place.folder),
        "source": code.recorded_source(spec.source, place.folder),
        **runner.to_dict(),
        **required(runner, spec.origin),
        "working_dir": code.working_dir(spec, place.path, place.folder),
        "parameters": parameters,
        "schema": flow_schema,
        "schedules": with_slugs(schedules),
        "tags": arguments.checked_tags([*flow.tags, *arguments.checked_tags(spec.tags)]),
        **({"requires": requires} if requires else {}),
        "work_queue": spec.work_queue,
        "concurrency_limit": spec.concurrency_limit,
        **attempts(spec, flow),
        "on_lost": spec.on_lost,
        "max_lost": spec.max_lost,
        "max_waiting": spec.max_waiting,
        "code_version": code.code_version(spec.source, flow_file.code_version(place.path)),
        "description": spec.description or (flow.description or "")[: arguments.LONGEST_DESCRIPTION] or None,
        **({"source_file": spec.origin.path} if spec.origin.path != place.path else {}),
        "source_line": spec.origin.line,
    }


def required(runner: SubprocessFlowRunner, origin: Origin) -> dict[str, list[str]]:
    """The requirement lines, read from their file if they stand in one; nothing when nothing is required."""
    given = runner.requirements
    return {} if given is None else {"requirements": requirements.lines_of(given, origin.folder)}


def attempts(spec: DeploymentSpec, flow: Flow) -> dict[str, Any]:
    """Retries, their delay and the time-out: the deployment's, else the flow's. A retry never comes at once."""
    retries = arguments.whole("retries", spec.retries, 0, arguments.MOST_RETRIES)
    retries = flow.retries if retries is None else retries
    low, high = arguments.SHORTEST_DELAY, arguments.LONGEST_DELAY
    delay = arguments.seconds("retry_delay_seconds", spec.retry_delay_seconds, low, high)
    delay = flow.retry_delay_seconds if delay is None else delay
    low, high = arguments.SHORTEST_TIMEOUT, arguments.LONGEST_TIMEOUT
    timeout = arguments.seconds("timeout_seconds", spec.timeout_seconds, low, high)
    timeout = flow.timeout_seconds if timeout is None else timeout
    return {
        "retries": retries,
        "retry_delay_seconds": max(delay, arguments.SHORTEST_DELAY) if retries else delay,
        "timeout_seconds": timeout,
    }


def warnings(spec: DeploymentSpec) -> list[str]:
    """What may surprise about a sound deployment, one sentence each."""
    found = [f"{spec.name}: {note}" for schedule in arguments.checked_schedules(spec) for note in notes(schedule)]
    runner = spec.flow_runner or SubprocessFlowRunner()
    for where, given in (("parameters", spec.parameters or {}), ("env", runner.env)):
        found += [
            f"{spec.name}: {where}.{name} looks like a secret, and is kept readable: "
            "let the flow read it from a file or variable of the agent's machine"
            for name in secrets(given)
        ]
    loose = requirements.unpinned(required(runner, spec.origin).get("requirements", []))
    if loose:
        found.append(
            f"{spec.name}: requirements leave the version of {', '.join(loose[:5])}{' …' if loose[5:] else ''} open: "
            "each machine keeps the one it finds first; pin them (==) to have the same everywhere"
        )
    return [*found, *code.notes(spec, *file_of(spec))]


def file_of(spec: DeploymentSpec) -> tuple[str, str]:
    """The flow's file and the folder of its code, of a spec that was recorded already."""
    if spec.flow is not None:
        place = place_of(spec.flow, spec.origin)
        return place.path, place.folder
    path = flow_file.located(str(spec.flow_location), spec.origin.folder)
    return path, spec.origin.folder if path == spec.origin.path else os.path.dirname(path)
