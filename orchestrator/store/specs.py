"""The spec of a deployment as Redis holds it: looked at before anything works with it, or named as what it is.

A spec that an agent of the version before would run wrongly, because its code is not at its path or it needs what that
agent knows nothing of, is written with schema 2: such an agent leaves it to others. Its field `schema`, which in a spec
is that of the flow's parameters, stands under another name then.
"""

import json
from collections.abc import Mapping
from typing import Any

from queues import schemas
from queues.decoding import from_json
from queues.errors import BadPayload, HeadgateQueueError, NewerSchema

LARGEST_SPEC = 256 << 10
NEEDS = "0.1.0"
NEW_NEEDS = ("requirements", "requires", "limits")
PARAMETERS = "parameter_schema"

Spec = Mapping[str, Any]
"""What DeploymentSpec.to_dict() gives: JSON values only."""

NAMES = ("flow", "name", "work_queue")
"""Without these nothing is known of a deployment."""
SHAPE: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(
        (*NAMES, "path", "function", "working_dir", "code_version", "description", "on_lost", "entry"), (str,)
    ),
    **dict.fromkeys(("tags", "schedules"), (list,)),
    **dict.fromkeys(("parameters", "schema", "env", "source"), (dict,)),
    **dict.fromkeys(("concurrency_limit", "retries", "max_lost", "max_waiting"), (int,)),
    **dict.fromkeys(("retry_delay_seconds", "timeout_seconds"), (int, float)),
}
"""The types of what is read of a spec, which are exact in JSON; None stands for what is left out."""


def canonical(value: Any) -> str:
    """JSON text that is the same for equal values; raises ValueError for NaN and infinities."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def written(spec: Spec) -> str:
    """The text that is kept of a spec."""
    if not is_new(spec):
        return canonical(spec)
    return canonical({**spec, "schema": schemas.SPEC, "needs": NEEDS, PARAMETERS: spec.get("schema")})


def is_new(spec: Spec) -> bool:
    """Whether an agent of the version before would run it wrongly."""
    source = spec.get("source") or {}
    return source.get("kind", "path") != "path" or any(spec.get(name) for name in NEW_NEEDS)


def readable(text: str) -> Spec | None:
    """A spec of its text; None for one that can not be read."""
    found = checked_spec(text)
    return None if isinstance(found, HeadgateQueueError) else found


def checked_spec(text: bytes | str) -> Spec | HeadgateQueueError:
    """A spec of its text, or what is wrong with it."""
    try:
        spec = from_json(text, most=LARGEST_SPEC)
        if not isinstance(spec, dict):
            raise BadPayload(f"expected a spec to be an object, got {type(spec).__name__}")
        schemas.refuse_newer("its deployment's spec", spec, schemas.SPEC)
        if PARAMETERS in spec:
            spec["schema"] = spec.pop(PARAMETERS)
            spec.pop("needs", None)
        check_shape(spec)
    except NewerSchema as newer:
        return newer
    except BadPayload as bad:
        return BadPayload(f"its deployment's spec can not be read: {bad}")
    return spec


def check_shape(spec: Spec) -> None:
    """Raise BadPayload for a spec that no version of ours wrote; fields that are not known do not matter."""
    for field in NAMES:
        if spec.get(field) is None:
            raise BadPayload(f"expected its {field} to be str, got NoneType")
    for field, value in spec.items():
        if value is not None and type(value) not in SHAPE.get(field, (type(value),)):
            raise BadPayload(f"expected its {field} to be {named(SHAPE[field])}, got {type(value).__name__}")
    if not all(isinstance(tag, str) for tag in spec.get("tags") or ()):
        raise BadPayload("expected its tags to be texts")


def named(allowed: tuple[type, ...]) -> str:
    """Types in a sentence."""
    return " or ".join(one.__name__ for one in allowed)


def stub(name: str, problem: HeadgateQueueError | None) -> Spec:
    """What is known of a deployment whose spec can not be read, as it is listed."""
    flow, _, own = name.rpartition("/")
    shown = {"description": str(problem), "code_version": "unreadable"}
    return {"flow": flow, "name": own, "work_queue": "", "path": "", "function": "", **shown}
