"""Are the arguments of a DeploymentSpec sound? Each refusal names the argument, what it may be, and what was found."""

import math
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from orchestrator.deployments import DeploymentSpec, code
from orchestrator.errors import InvalidDeployment, did_you_mean, expected, shown
from orchestrator.flow_runners import SubprocessFlowRunner
from orchestrator.schedules import Schedule
from orchestrator.sdk.flows import Flow

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}", re.ASCII)
NAME_RULE = "1 to 128 of a-z 0-9 . _ - that begin with a letter or digit"
FLOW_NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9 ._-]{0,126}[A-Za-z0-9._-])?", re.ASCII)
FLOW_NAME_RULE = "1 to 128 letters, digits, spaces and . _ - (no slash)"
LABEL = re.compile(r"[a-z0-9][a-z0-9._/-]{0,62}(=[A-Za-z0-9._/-]{1,63})?", re.ASCII)
LABEL_RULE = "labels such as gpu or region=eu: a-z 0-9 . _ / - (values A-Z too), at most 63 characters each"
MOST_LABELS = 16
LARGEST_LIMIT = 10_000
MOST_TAGS = 50
MOST_SCHEDULES = 100
MOST_RETRIES = 10_000
SHORTEST_DELAY = 0.1
LONGEST_DELAY = 30 * 86_400.0
SHORTEST_TIMEOUT = 0.1
LONGEST_TIMEOUT = 30 * 86_400.0
LONGEST_DESCRIPTION = 4096

# What other versions of this interface took, and what to write here.
INSTEAD = {
    "flow_storage": "leave it out: source= says how the code comes to the machines that run it",
    "storage": "leave it out: source= says how the code comes to the machines that run it",
    "infrastructure": "use flow_runner=SubprocessFlowRunner(…)",
    "infra_overrides": "use flow_runner=SubprocessFlowRunner(env={…})",
    "job_variables": "use flow_runner=SubprocessFlowRunner(env={…})",
    "infrastructure_document_id": "use flow_runner=SubprocessFlowRunner(…)",
    "work_queue_name": "use work_queue='…'",
    "work_queue_id": "use work_queue='…', which takes the queue's name",
    "work_pool_name": "use work_queue='…': there are work queues, and no pools above them",
    "entrypoint": "use flow_location='file.py' and flow_name='function'",
    "path": "use flow_location='file.py'; flow_runner=SubprocessFlowRunner(working_dir='…') sets the working folder",
    "cron": "use schedule=CronSchedule('…')",
    "interval": "use schedule=IntervalSchedule(timedelta(…))",
    "rrule": "use schedule=RRuleSchedule('…')",
    "version": "leave it out: the code version is recorded by itself",
    "manifest_path": "leave it out: the parameters are read from the flow itself",
    "parameter_openapi_schema": "leave it out: the parameters are read from the flow itself",
    "enforce_parameter_schema": "leave it out: parameters are always checked against the flow's type hints",
    "is_schedule_active": "use `headgate deployment pause` after creating it",
    "paused": "use `headgate deployment pause` after creating it",
    "triggers": "leave it out: schedules and `headgate deployment run` start runs",
    "flow_id": "use flow= or flow_location=",
    "deployment_name": "use name='…'",
    "env": "use flow_runner=SubprocessFlowRunner(env={…})",
    "timeout": "use timeout_seconds=",
    "max_retries": "use retries=",
    "retry_delay": "use retry_delay_seconds=",
    "limit": "use concurrency_limit=",
    "labels": "use requires=[…] for labels that an agent must have, tags=[…] for names of your own",
    "queue": "use work_queue='…'",
}
KNOWN = tuple(name for name in DeploymentSpec.__init__.__annotations__ if name not in ("unknown", "return"))


def check(spec: DeploymentSpec, unknown: Mapping[str, object]) -> None:
    """Raise InvalidDeployment for the first argument that can not be meant."""
    check_unknown(unknown)
    check_name(spec.name)
    check_flow(spec)
    check_queue(spec.work_queue)
    checked_schedules(spec)
    checked_tags(spec.tags)
    checked_labels(spec.requires)
    if spec.flow_runner is not None and not isinstance(spec.flow_runner, SubprocessFlowRunner):
        raise refused("flow_runner", "SubprocessFlowRunner(…)", spec.flow_runner)
    if spec.parameters is not None and not isinstance(spec.parameters, Mapping):
        raise refused("parameters", "a dict of parameter names and values", spec.parameters)
    check_limit(spec.concurrency_limit)
    whole("retries", spec.retries, 0, MOST_RETRIES)
    seconds("retry_delay_seconds", spec.retry_delay_seconds, SHORTEST_DELAY, LONGEST_DELAY)
    seconds("timeout_seconds", spec.timeout_seconds, SHORTEST_TIMEOUT, LONGEST_TIMEOUT)
    if spec.on_lost not in ("rerun", "crash"):
        raise refused("on_lost", '"rerun" or "crash"', spec.on_lost)
    if whole("max_lost", spec.max_lost, 1, 100) is None:
        raise refused("max_lost", "a whole number from 1 to 100", spec.max_lost)
    whole("max_waiting", spec.max_waiting, 1, LARGEST_LIMIT)
    check_description(spec.description)
    code.check_source(spec.source)


def check_unknown(unknown: Mapping[str, object]) -> None:
    """Arguments that there are not."""
    for name in unknown:
        hint = INSTEAD.get(name) or did_you_mean(name, KNOWN) or f"arguments are {', '.join(KNOWN)}"
        raise InvalidDeployment(f"DeploymentSpec has no argument {name!r}", field=name, hint=hint)


def check_name(name: object) -> None:
    """The name within the flow."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise refused("name", NAME_RULE, name, suggestion(name))


def suggestion(name: object) -> str | None:
    """The nearest name that is allowed."""
    if not isinstance(name, str):
        return "add name='…'" if name is None else None
    near = re.sub(r"[^a-z0-9._-]+", "-", name.strip().lower()).strip("-._")[:128]
    return f"{near!r} would do" if near else None


def check_flow(spec: DeploymentSpec) -> None:
    """Either a flow or where to find one; what is at the location is looked at when the spec is recorded."""
    flow, location = spec.flow, spec.flow_location
    if flow is not None and location is not None:
        raise InvalidDeployment("expected flow or flow_location, got both", field="flow", hint="keep one")
    if flow is None and location is None:
        raise InvalidDeployment(
            "expected flow=… or flow_location='file.py', got neither",
            field="flow",
            hint="write flow=main for a function main under @flow",
        )
    if flow is not None:
        check_flow_object(flow)
    elif not isinstance(location, str) or not location.strip():
        raise refused("flow_location", "the path of a Python file, relative to this one", location)
    if spec.flow_name is not None and (not isinstance(spec.flow_name, str) or not spec.flow_name.strip()):
        raise refused("flow_name", "the name of a flow in the file", spec.flow_name)


def check_flow_object(flow: Any) -> None:
    """A function under @flow; the usual mistakes are named."""
    if isinstance(flow, Flow):
        return
    name = getattr(flow, "__name__", None)
    kind = getattr(flow, "kind", None)
    hint = "if it is what the flow returns, leave out the parentheses after its name"
    if kind == "task":
        hint = "a task runs inside a flow: call it in a function under @flow"
    elif isinstance(flow, type) or (callable(flow) and name):
        hint = f"put @flow above `def {name}`"
    elif isinstance(flow, str):
        hint = "to name a file use flow_location='file.py' and flow_name='function'"
    raise refused("flow", "a function under @flow", flow, hint)


def check_queue(name: object) -> None:
    """The name of a work queue; whether it exists is seen when the deployment is created."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise refused("work_queue", NAME_RULE, name, suggestion(name))


def checked_schedules(spec: DeploymentSpec) -> list[Schedule]:
    """The schedules, from either argument."""
    lone: Any = spec.schedule
    if lone is not None and spec.schedules is not None:
        raise InvalidDeployment("expected schedule or schedules, got both", field="schedule", hint="keep schedules=[…]")
    if lone is not None and not isinstance(lone, Schedule):
        forms = "IntervalSchedule(…), CronSchedule(…) or RRuleSchedule(…)"
        instead = "use schedules=[…] for several" if isinstance(lone, list | tuple) else None
        if isinstance(lone, str):
            instead = f"write schedule=CronSchedule({shown(lone)})"
        raise refused("schedule", forms, lone, instead)
    if lone is not None:
        return [lone]
    given = [] if spec.schedules is None else spec.schedules
    if not isinstance(given, list | tuple):
        raise refused("schedules", "a list of schedules", given)
    for place, one in enumerate(given):
        if not isinstance(one, Schedule):
            raise refused(f"schedules[{place}]", "a schedule such as CronSchedule(…)", one)
    if len(given) > MOST_SCHEDULES:
        raise InvalidDeployment(f"expected at most {MOST_SCHEDULES} schedules, got {len(given)}", field="schedules")
    return list(given)


def checked_tags(tags: object) -> list[str]:
    """Tags without doubles; each may carry a limit of its own, so each is a name."""
    if tags is None:
        return []
    if not isinstance(tags, list | tuple | set | frozenset):
        raise refused("tags", "a list of names such as ['ml']", tags)
    for place, tag in enumerate(tags):
        if not isinstance(tag, str) or not NAME.fullmatch(tag):
            field = f"tags[{place}]" if isinstance(tags, list | tuple) else "tags"
            raise refused(field, NAME_RULE, tag, suggestion(tag))
    if len(tags) > MOST_TAGS:
        raise InvalidDeployment(f"expected at most {MOST_TAGS} tags, got {len(tags)}", field="tags")
    return list(dict.fromkeys(sorted(tags) if isinstance(tags, set | frozenset) else tags))


def checked_labels(labels: object) -> list[str]:
    """Labels that an agent must have, sorted, without doubles."""
    if labels is None:
        return []
    if not isinstance(labels, list | tuple | set | frozenset):
        raise refused("requires", "a list of labels such as ['gpu', 'region=eu']", labels)
    for label in labels:
        if not isinstance(label, str) or not LABEL.fullmatch(label):
            raise refused("requires", LABEL_RULE, label)
    if len(set(labels)) > MOST_LABELS:
        raise InvalidDeployment(f"expected at most {MOST_LABELS} labels, got {len(set(labels))}", field="requires")
    return sorted(set(labels))


def check_limit(limit: object) -> None:
    """How many runs at once."""
    if limit == 0 and not isinstance(limit, bool):
        hint = "to let nothing start use `headgate deployment pause` after creating it"
        raise refused("concurrency_limit", f"1 to {LARGEST_LIMIT}, or None for no limit", limit, hint)
    whole("concurrency_limit", limit, 1, LARGEST_LIMIT)


def check_description(description: object) -> None:
    """Text of a bounded length."""
    if description is not None and (not isinstance(description, str) or len(description) > LONGEST_DESCRIPTION):
        raise refused("description", f"text of at most {LONGEST_DESCRIPTION} characters", description)


def whole(field: str, number: Any, low: int, high: int) -> int | None:
    """A whole number in a range, or None."""
    if number is None:
        return None
    if isinstance(number, bool) or not isinstance(number, int) or not low <= number <= high:
        raise refused(field, f"a whole number from {low} to {high}", number)
    return number


def seconds(field: str, length: Any, low: float, high: float) -> float | None:
    """A length of time in a range, given in seconds or as a timedelta, or None."""
    if length is None:
        return None
    number = length.total_seconds() if isinstance(length, timedelta) else length
    fits = isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
    if not fits or not low <= number <= high:
        allowed = f"seconds from {low:g} to {high:.0f} or a timedelta, as in 90 or timedelta(hours=1, minutes=30)"
        raise refused(field, allowed, length)
    return float(number)


def refused(field: str, allowed: str, found: object, hint: str | None = None) -> InvalidDeployment:
    """The error of one argument."""
    return InvalidDeployment(expected(field, allowed, found), field=field, hint=hint)


def check_flow_name(name: str, function: str) -> None:
    """A flow's name as it stands in `flow/deployment`."""
    if not FLOW_NAME.fullmatch(name):
        message = f"expected the name of the flow to be {FLOW_NAME_RULE}, got {shown(name)}"
        raise InvalidDeployment(message, field="flow", hint=f"""name it: @flow(name="…") above `def {function}`""")
