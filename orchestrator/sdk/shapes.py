"""Type hints as shapes: small trees that convert values, and that can be written as JSON into a deployment's schema.

The same tree checks parameters when a run is submitted (rebuilt from JSON, without the user's classes) and converts
them in the flow's process. Hints are recognised by their attributes, so neither typing nor any library is imported.
"""

import sys

from orchestrator.sdk import conversions

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ATOMS: dict[object, str] = {int: "int", float: "float", str: "str", bool: "bool", bytes: "bytes", type(None): "None"}
_LIBRARY = {
    ("datetime", "datetime"): "datetime",
    ("datetime", "date"): "date",
    ("datetime", "time"): "time",
    ("datetime", "timedelta"): "timedelta",
    ("uuid", "UUID"): "UUID",
    ("decimal", "Decimal"): "Decimal",
}
_LISTS = ("list", "Sequence", "MutableSequence", "Iterable", "Collection", "Container")
_SETS = ("set", "Set", "MutableSet", "AbstractSet")
_DICTS = ("dict", "Mapping", "MutableMapping")
_DEEPEST = 20  # a hint that contains itself checks nothing below this


class Shape:
    """One node: its kind, how it reads, the shapes inside, and the user's class where there is one."""

    __slots__ = ("choices", "cls", "fields", "inner", "kind", "text")

    def __init__(
        self,
        kind: str,
        text: str | None = None,
        inner: "tuple[Shape, ...]" = (),
        cls: "Any" = None,
        choices: tuple[object, ...] = (),
        fields: "dict[str, tuple[Shape, bool]] | None" = None,
    ) -> None:
        self.kind = kind
        self.text = text or kind
        self.inner = inner
        self.cls = cls
        self.choices = choices
        self.fields = fields or {}

    def convert(self, value: object, where: str, problems: list[str]) -> object:
        """The value as this shape wants it; what does not fit is told in `problems`, with `where` in front."""
        convert = conversions.BY_KIND.get(self.kind)
        return value if convert is None else convert(self, value, where, problems)


ANY = Shape("any")


def shape_of(hint: "Any", depth: int = 0) -> Shape:
    """The shape of a type hint; a hint that is not understood is `any`, and checks nothing."""
    if depth > _DEEPEST:
        return ANY
    if hint is None:
        return Shape("None")
    for attribute in ("__supertype__", "__value__"):  # NewType, and `type X = …`
        if hasattr(hint, attribute):
            return shape_of(getattr(hint, attribute), depth + 1)
    if hint in _ATOMS if isinstance(hint, type) else False:
        return Shape(_ATOMS[hint])
    if hasattr(hint, "__metadata__"):
        return _annotated(hint, depth)
    args = getattr(hint, "__args__", ())
    if _is_union(hint):
        return _union([shape_of(arg, depth + 1) for arg in args])
    origin = getattr(hint, "__origin__", None) or hint
    if _module(origin) in ("typing", "typing_extensions") and _name(origin) == "Literal":
        return Shape("literal", _choices_text(args), choices=tuple(args))
    if not isinstance(origin, type):
        return ANY
    return _container(origin, args, depth) or _class(origin, depth)


def _is_union(hint: "Any") -> bool:
    if type(hint).__name__ == "UnionType":
        return True
    typing = sys.modules.get("typing")
    union = getattr(typing, "Union", None)
    return union is not None and (getattr(hint, "__origin__", None) is union or type(hint) is union)


def _union(inner: list[Shape]) -> Shape:
    if any(shape.kind == "any" for shape in inner):
        return ANY
    return Shape("union", " | ".join(shape.text for shape in inner), tuple(inner))


def _container(origin: type, args: "tuple[Any, ...]", depth: int) -> Shape | None:
    name = origin.__name__
    if origin.__module__ not in ("builtins", "collections.abc", "typing"):
        return None
    inner = [shape_of(arg, depth + 1) for arg in args if arg is not ...]
    if name in _DICTS:
        key, value = inner if len(inner) == 2 else (ANY, ANY)
        return Shape("dict", f"dict[{key.text}, {value.text}]" if inner else "dict", (key, value))
    if name == "tuple" and args and args[-1] is not ...:
        return Shape("tuple", f"tuple[{', '.join(shape.text for shape in inner)}]", tuple(inner))
    kinds = {"tuple": "tuple of", "frozenset": "frozenset"}
    kind = "list" if name in _LISTS else "set" if name in _SETS else kinds.get(name)
    if kind is None:
        return None
    item = inner[0] if len(inner) == 1 else ANY
    word = kind.split()[0]
    return Shape(kind, f"{word}[{item.text}]" if inner else word, (item,))


def _class(cls: "Any", depth: int) -> Shape:
    if cls is object or (_module(cls) == "typing" and cls.__name__ == "Any"):
        return ANY
    known = _LIBRARY.get((cls.__module__, cls.__name__))
    if known:
        return Shape(known, cls=cls)
    if hasattr(cls, "__pydantic_validator__"):
        return Shape("model", cls.__name__, cls=cls)
    if hasattr(cls, "__dataclass_fields__"):
        return Shape("dataclass", cls.__name__, cls=cls, fields=_dataclass_fields(cls, depth))
    if hasattr(cls, "__required_keys__") or hasattr(cls, "_field_defaults"):
        return _annotated_class(cls, depth)
    if hasattr(cls, "__members__") and hasattr(cls, "_value2member_map_"):
        values = tuple(member.value for member in cls)
        return Shape("enum", _choices_text(values), cls=cls, choices=values)
    if "__fspath__" in dir(cls) and cls.__module__.startswith("pathlib"):
        return Shape("Path", cls=cls)
    return Shape("instance", cls.__name__, cls=cls)


def _annotated(hint: "Any", depth: int) -> Shape:
    if any(_module(type(extra)).partition(".")[0] in ("pydantic", "annotated_types") for extra in hint.__metadata__):
        return Shape("model", shape_of(hint.__origin__, depth + 1).text, cls=hint)
    return shape_of(hint.__origin__, depth + 1)


def _dataclass_fields(cls: "Any", depth: int) -> dict[str, tuple[Shape, bool]]:
    fields = {}
    for name, field in cls.__dataclass_fields__.items():
        if not field.init or getattr(field._field_type, "name", "") == "_FIELD_CLASSVAR":
            continue
        defaults = (field.default, field.default_factory)
        required = all(type(default).__name__ == "_MISSING_TYPE" for default in defaults)
        fields[name] = (shape_of(_resolved(field.type, cls), depth + 1), required)
    return fields


def _annotated_class(cls: "Any", depth: int) -> Shape:
    """A TypedDict or a NamedTuple."""
    is_tuple = hasattr(cls, "_field_defaults")
    optional = set(cls._field_defaults) if is_tuple else set(cls.__optional_keys__)
    fields = {}
    for name, hint in cls.__annotations__.items():
        hint = _resolved(hint, cls)
        if _name(getattr(hint, "__origin__", None)) in ("Required", "NotRequired", "ReadOnly"):
            hint = hint.__args__[0]
        fields[name] = (shape_of(hint, depth + 1), name not in optional)
    return Shape("namedtuple" if is_tuple else "typeddict", cls.__name__, cls=cls, fields=fields)


def _resolved(hint: "Any", cls: type) -> "Any":
    """A hint written as text, looked up in the module of its class."""
    text = getattr(hint, "__forward_arg__", hint)
    if not isinstance(text, str):
        return hint
    try:
        return eval(text, dict(vars(sys.modules[cls.__module__])))
    except Exception:
        return object


def _choices_text(values: "tuple[Any, ...]") -> str:
    return f"one of {', '.join(conversions.shown(value) for value in values)}"


def _module(thing: object) -> str:
    return str(getattr(thing, "__module__", "") or "")


def _name(thing: object) -> str:
    return str(getattr(thing, "__name__", "") or getattr(thing, "_name", "") or "")
