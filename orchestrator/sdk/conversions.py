"""Converting one value to one shape, strictly enough to find mistakes: "3" is an int, True and 3.5 are not."""

from orchestrator.sdk.states import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from orchestrator.sdk.shapes import Shape

    Convert = Callable[[Shape, Any, str, list[str]], Any]

_LONGEST = 80
_TRUE = ("true", "yes", "on", "1")
_FALSE = ("false", "no", "off", "0")
_BAD = object()


def shown(value: object) -> str:
    """A value as an error message quotes it: one line, at most 80 characters."""
    try:
        text = '"' + repr(value)[1:-1].replace('"', '\\"') + '"' if isinstance(value, str) else repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _expected(shape: "Shape", value: object, where: str, problems: list[str]) -> object:
    problems.append(f"{where}: expected {shape.text}, got {shown(value)}")
    return value


def _atom(rule: "Callable[[Shape, Any], Any]") -> "Convert":
    """A conversion out of a rule that answers the value, or _BAD or an exception when it does not fit."""

    def convert(shape: "Shape", value: "Any", where: str, problems: list[str]) -> object:
        try:
            result = rule(shape, value)
        except (ValueError, TypeError, OverflowError, ArithmeticError):
            result = _BAD
        return _expected(shape, value, where, problems) if result is _BAD else result

    return convert


def _int(_: "Shape", value: "Any") -> object:
    if isinstance(value, bool):
        return _BAD
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return int(value) if value.is_integer() else _BAD
    return int(value.strip()) if isinstance(value, str) else _BAD


def _float(_: "Shape", value: "Any") -> object:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return _BAD
    return value if isinstance(value, float) else float(value)


def _bool(_: "Shape", value: "Any") -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, str)):
        word = str(value).strip().lower()
        return True if word in _TRUE else False if word in _FALSE else _BAD
    return _BAD


def _str(_: "Shape", value: "Any") -> object:
    return value if isinstance(value, str) else _BAD


def _bytes(_: "Shape", value: "Any") -> object:
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, (bytes, bytearray, memoryview)) else _BAD


def _none(_: "Shape", value: "Any") -> object:
    return None if value is None else _BAD


def _iso(shape: "Shape", value: "Any") -> object:
    if isinstance(value, shape.cls):
        return value
    return shape.cls.fromisoformat(value.strip()) if isinstance(value, str) else _BAD


def _timedelta(shape: "Shape", value: "Any") -> object:
    if isinstance(value, shape.cls):
        return value
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return _BAD
    if isinstance(value, str):
        from orchestrator.sdk.durations import seconds_in

        value = seconds_in(value)
    return shape.cls(seconds=value)


def _by_text(shape: "Shape", value: "Any") -> object:
    """UUID, Path and Decimal: made from text (a Decimal from a number as well)."""
    if isinstance(value, shape.cls):
        return value
    if shape.kind == "Decimal" and isinstance(value, (int, float)) and not isinstance(value, bool):
        value = str(value)
    return shape.cls(value) if isinstance(value, str) else _BAD


def _literal(shape: "Shape", value: "Any") -> object:
    for choice in shape.choices:
        if choice == value and type(choice) is type(value):
            return choice
    for choice in shape.choices:
        if isinstance(value, str) and not isinstance(choice, str) and str(choice) == value:
            return choice
    return _BAD


def _enum(shape: "Shape", value: "Any") -> object:
    if shape.cls is None:  # at submit, where the user's class is not there
        return value if value in shape.choices or str(value) in [str(choice) for choice in shape.choices] else _BAD
    if isinstance(value, shape.cls):
        return value
    members = list(shape.cls.__members__.items())
    by_value = [member for _, member in members if member.value == value and type(member.value) is type(value)]
    by_name = [member for name, member in members if name == value]
    by_text = [member for _, member in members if str(member.value) == value]
    return next(iter(by_value + by_name + by_text), _BAD)


def _instance(shape: "Shape", value: "Any") -> object:
    if shape.cls is None:
        return value
    try:
        return value if isinstance(value, shape.cls) else _BAD
    except TypeError:  # a protocol, or a generic that can not be asked
        return value


def _union(shape: "Shape", value: "Any", where: str, problems: list[str]) -> object:
    """What needs no conversion wins; else the first alternative that fits."""
    fitting = []
    for alternative in shape.inner:
        trouble: list[str] = []
        result = alternative.convert(value, where, trouble)
        if not trouble and result is value:
            return value
        if not trouble:
            fitting.append(result)
    return fitting[0] if fitting else _expected(shape, value, where, problems)


def _items(shape: "Shape", value: "Any", where: str, problems: list[str]) -> object:
    if isinstance(value, (str, bytes, dict)) or not hasattr(value, "__iter__"):
        return _expected(shape, value, where, problems)
    item = shape.inner[0]
    items = [item.convert(each, f"{where}[{index}]", problems) for index, each in enumerate(value)]
    try:
        return {"list": list, "set": set, "frozenset": frozenset, "tuple of": tuple}[shape.kind](items)
    except TypeError:  # an item of a set that can not be hashed
        return _expected(shape, value, where, problems)


def _tuple(shape: "Shape", value: "Any", where: str, problems: list[str]) -> object:
    if not isinstance(value, (list, tuple)) or len(value) != len(shape.inner):
        return _expected(shape, value, where, problems)
    pairs = enumerate(zip(shape.inner, value, strict=True))
    return tuple(inner.convert(each, f"{where}[{index}]", problems) for index, (inner, each) in pairs)


def _dict(shape: "Shape", value: "Any", where: str, problems: list[str]) -> object:
    if not hasattr(value, "items"):
        return _expected(shape, value, where, problems)
    key_shape, value_shape = shape.inner
    result = {}
    for key, each in value.items():
        place = f"{where}[{shown(key)}]"
        result[key_shape.convert(key, f"{place} (the key)", problems)] = value_shape.convert(each, place, problems)
    return result


def _fields(shape: "Shape", value: "Any", where: str, problems: list[str]) -> object:
    """A dataclass, TypedDict or NamedTuple out of a map (the latter out of a list as well)."""
    if shape.cls is not None and shape.kind != "typeddict" and isinstance(value, shape.cls):
        return value
    if shape.kind == "namedtuple" and isinstance(value, (list, tuple)) and len(value) <= len(shape.fields):
        value = dict(zip(shape.fields, value, strict=False))
    if not isinstance(value, dict):
        return _expected(shape, value, where, problems)
    trouble = [f"{where}.{name}: unknown to {shape.text}" for name in value if name not in shape.fields]
    result = {}
    for name, (field, required) in shape.fields.items():
        if name in value:
            result[name] = field.convert(value[name], f"{where}.{name}", trouble)
        elif required:
            trouble.append(f"{where}.{name}: missing")
    problems += trouble
    if trouble or shape.cls is None or shape.kind == "typeddict":
        return result
    return _made(shape, lambda: shape.cls(**result), where, problems)


def _model(shape: "Shape", value: "Any", where: str, problems: list[str]) -> object:
    """A pydantic model, or a hint with pydantic's constraints: pydantic judges, since the user's code brought it."""
    if shape.cls is None:
        return value
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(shape.cls).validate_python(value)
    except ValidationError as error:
        for each in error.errors():
            place = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in each["loc"])
            problems.append(f"{where}{place}: {each['msg']}, got {shown(each['input'])}")
        return value


def _made(shape: "Shape", make: "Callable[[], Any]", where: str, problems: list[str]) -> object:
    try:
        return make()
    except Exception as error:  # a check in the user's own __post_init__
        problems.append(f"{where}: {shape.text} refused it: {describe(error)}")
        return None


BY_KIND: "dict[str, Convert]" = {
    **{kind: _atom(_iso) for kind in ("datetime", "date", "time")},
    **{kind: _atom(_by_text) for kind in ("UUID", "Path", "Decimal")},
    **dict.fromkeys(("list", "set", "frozenset", "tuple of"), _items),
    **dict.fromkeys(("dataclass", "typeddict", "namedtuple"), _fields),
    "int": _atom(_int),
    "float": _atom(_float),
    "bool": _atom(_bool),
    "str": _atom(_str),
    "bytes": _atom(_bytes),
    "None": _atom(_none),
    "timedelta": _atom(_timedelta),
    "literal": _atom(_literal),
    "enum": _atom(_enum),
    "instance": _atom(_instance),
    "union": _union,
    "tuple": _tuple,
    "dict": _dict,
    "model": _model,
}
