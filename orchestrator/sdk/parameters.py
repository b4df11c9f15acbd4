"""A flow's parameters: the signature read from the function itself, binding, and conversion to the type hints.

Neither inspect nor typing is imported: together they cost twice a bare interpreter's start. Everything needed
stands on the code object. Conversion of anything but an exact built-in match is in shapes, loaded when needed.
"""

from orchestrator.sdk.errors import ParameterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

_VARARGS, _VARKEYWORDS = 0x04, 0x08
_PLAIN = (int, float, str, bool, bytes)
NOTHING = object()


class Signature:
    """Names, defaults and hints of a function, in order."""

    def __init__(self, fn: "Callable[..., Any]") -> None:
        code = fn.__code__
        count = code.co_argcount
        names = code.co_varnames
        self.fn = fn
        self.name: str = fn.__name__
        self.positional_only: tuple[str, ...] = names[: code.co_posonlyargcount]
        self.positional: tuple[str, ...] = names[:count]
        self.keyword_only: tuple[str, ...] = names[count : count + code.co_kwonlyargcount]
        self.names = self.positional + self.keyword_only
        rest = count + code.co_kwonlyargcount
        self.var_positional = names[rest] if code.co_flags & _VARARGS else None
        self.var_keyword = names[rest + bool(self.var_positional)] if code.co_flags & _VARKEYWORDS else None
        defaults = fn.__defaults__ or ()
        self.defaults: dict[str, object] = dict(zip(self.positional[count - len(defaults) :], defaults, strict=True))
        self.defaults.update(fn.__kwdefaults__ or {})

    def hints(self) -> "dict[str, object]":
        """Parameter name → type hint, text hints evaluated where the function was defined."""
        hints = dict(getattr(self.fn, "__annotations__", None) or {})
        hints.pop("return", None)
        for name, hint in hints.items():
            if isinstance(hint, str):
                hints[name] = evaluated(hint, self.fn)
        return hints

    def bind(self, args: "Sequence[object]", kwargs: "Mapping[str, object]", convert: bool = True) -> "Bound":
        """Which parameter gets which value, defaults included; raises ParameterError with every problem at once."""
        problems: list[str] = []
        values = dict(zip(self.positional, args, strict=False))
        extra_args = tuple(args[len(self.positional) :])
        if extra_args and not self.var_positional:
            problems.append(f"expected at most {len(self.positional)} positional arguments, got {len(args)}")
        extra: dict[str, object] = {}
        for name, value in kwargs.items():
            if name in values:
                problems.append(f"parameter {name}: given twice")
            elif name in self.names:
                values[name] = value
            elif self.var_keyword:
                extra[name] = value
            else:
                problems.append(unknown_parameter(name, self.names))
        missing = [name for name in self.names if name not in values and name not in self.defaults]
        problems += [f"parameter {name}: missing" for name in missing]
        if convert:
            values = self._converted(values, problems)
        if problems:
            raise ParameterError(problems)
        return Bound(self, {**self.defaults, **values}, extra_args, extra)

    def _converted(self, values: dict[str, object], problems: list[str]) -> dict[str, object]:
        hints = self.hints()
        result = {}
        for name, value in values.items():
            hint = hints.get(name, NOTHING)
            # The default itself needs no check: `date: str = None` is how many people write an optional parameter.
            fits = hint is NOTHING or (type(value) is hint and hint in _PLAIN)
            if fits or value is self.defaults.get(name, NOTHING):
                result[name] = value
                continue
            result[name] = _convert(name, value, hint, problems)
        return result


def unknown_parameter(name: str, known: "Iterable[str]") -> str:
    """The sentence for a parameter that the flow does not have."""
    return f"parameter {name}: unknown, the flow takes {', '.join(known) or 'no parameters'}"


class Bound:
    """Values for every parameter of a function, ready for a call."""

    def __init__(
        self, signature: Signature, values: dict[str, object], extra_args: tuple[object, ...], extra: dict[str, object]
    ) -> None:
        self.signature = signature
        self.values = values
        self.extra_args = extra_args
        self.extra = extra

    def call(self, fn: "Callable[..., Any]") -> "Any":
        """Call the function with these values (a coroutine function gives its coroutine)."""
        signature = self.signature
        by_place = signature.positional if self.extra_args else signature.positional_only
        args = [self.values[name] for name in by_place]
        kwargs = {name: value for name, value in self.values.items() if name not in by_place}
        return fn(*args, *self.extra_args, **kwargs, **self.extra)

    def as_map(self) -> dict[str, object]:
        """The parameters as people see them: one map."""
        return {**self.values, **self.extra}


def _convert(name: str, value: object, hint: object, problems: list[str]) -> object:
    from orchestrator.sdk import shapes

    found: list[str] = []
    result = shapes.shape_of(hint).convert(value, f"parameter {name}", found)
    problems += found
    return result


def evaluated(hint: str, fn: "Callable[..., Any]") -> object:
    """A hint written as text (`from __future__ import annotations`); one that can not be evaluated checks nothing."""
    names = dict(fn.__globals__)
    names.update(zip(fn.__code__.co_freevars, (_content(cell) for cell in fn.__closure__ or ()), strict=False))
    try:
        return eval(hint, names)
    except Exception:
        return NOTHING


def _content(cell: "Any") -> object:
    try:
        return cell.cell_contents
    except ValueError:  # the variable has not been assigned yet
        return NOTHING
