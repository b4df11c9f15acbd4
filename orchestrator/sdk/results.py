"""A flow's result as JSON for the record: bounded, and never a reason for a run to fail."""

from orchestrator.sdk import context, stdlib
from orchestrator.sdk.states import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIMIT = 512 * 1024
REPR_LIMIT = 1000
_WARNING = 30


def encoded(value: object) -> dict[str, object]:
    """`value`: JSON bytes, or None with a warning in the log when it can not be JSON; `value_repr`, `value_type`."""
    kind = type(value).__name__
    data: bytes | None = None
    try:
        text = _json(value)
        if len(text) <= LIMIT:
            data = text
        else:
            _warn(f"the result ({kind}) is {len(text)} bytes of JSON, over {LIMIT}: only its repr is recorded")
    except Exception as error:
        _warn(f"the result is a {kind}, which can not be recorded as JSON ({describe(error)}): only its repr is")
    return {"value": data, "value_repr": _shown(value), "value_type": kind}


def _json(value: object) -> bytes:
    """JSON without loading json for what a flow returns most often."""
    if value is None:
        return b"null"
    if value is True or value is False:
        return b"true" if value else b"false"
    if type(value) is int:
        return str(value).encode()
    if type(value) is float and abs(value) < 1e300:
        return repr(value).encode()
    if type(value) is str and value.isascii() and value.isprintable() and '"' not in value and "\\" not in value:
        return f'"{value}"'.encode()
    text: str = stdlib.load("json").dumps(value, default=plain, allow_nan=False, separators=(",", ":"))
    return text.encode()


def plain(value: "Any") -> object:
    """JSON's next best thing for the types that flows return: dates, paths, enums, models, numpy's numbers."""
    for method in ("isoformat", "model_dump_json", "__fspath__", "total_seconds"):
        if hasattr(type(value), method):
            return getattr(value, method)() if method != "model_dump_json" else value.model_dump(mode="json")
    if isinstance(value, (set, frozenset)):
        return list(value)
    if isinstance(value, (bytes, bytearray)):
        return value.decode("utf-8")
    if hasattr(type(value), "__dataclass_fields__"):
        return {name: getattr(value, name) for name in value.__dataclass_fields__}
    kind = type(value)
    if kind.__module__ in ("uuid", "decimal"):
        return str(value)
    if hasattr(kind, "__members__") and hasattr(value, "value"):  # an enum
        return value.value
    if kind.__module__ == "numpy" and hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        return value.item()
    raise TypeError(f"{kind.__module__}.{kind.__qualname__} is not JSON")


def _shown(value: object) -> str:
    try:
        text = repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {describe(error)}>"
    return text if len(text) <= REPR_LIMIT else f"{text[: REPR_LIMIT - 1]}…"


def _warn(message: str) -> None:
    context.reporter().log(_WARNING, "flow", message)
