"""What flows and tasks have in common: a function with a name of its own that stands where the function stood."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, ClassVar

_COROUTINE, _GENERATOR, _ASYNC_GENERATOR = 0x80, 0x20, 0x200
NOTHING = object()


class Named:
    """A decorated function: introspection, pickling and use as a method go on as with the plain one."""

    kind: str
    instead: "ClassVar[dict[str, str]]"  # an option that others have and we do not → what to do instead

    def __init__(
        self,
        fn: "Callable[..., Any]",
        name: str | None,
        description: str | None,
        tags: "Iterable[str]",
        unknown: dict[str, object],
    ) -> None:
        if isinstance(fn, (staticmethod, classmethod)):
            raise TypeError(f"expected @{self.kind} directly on the function, below @{type(fn).__name__}")
        code = getattr(fn, "__code__", None)
        if code is None or isinstance(fn, type):
            raise TypeError(f"expected @{self.kind} to stand on a function, got {type(fn).__name__}: wrap it in a def")
        self.fn = fn
        self.name = _checked_name(name, self.kind) or fn.__name__.replace("<lambda>", "lambda")
        self.label = f"{self.kind} {self.name}"
        self._refuse_unknown(unknown)
        self.description = description or (fn.__doc__ or "").strip() or None
        if isinstance(tags, str):
            raise ValueError(f"{self.label}: expected tags to be a list of texts, got {tags!r}")
        self.tags = tuple(tags)
        self.is_async = bool(code.co_flags & _COROUTINE)
        self.is_generator = bool(code.co_flags & (_GENERATOR | _ASYNC_GENERATOR))
        self.owner: object = NOTHING  # the object, when the function is a method
        self.__name__ = fn.__name__
        self.__qualname__ = fn.__qualname__
        self.__module__ = fn.__module__
        self.__doc__ = fn.__doc__
        self.__wrapped__ = fn

    def _refuse_unknown(self, unknown: dict[str, object]) -> None:
        for option in unknown:
            instead = self.instead.get(option)
            reason = instead or f"see help({self.kind}) for the options there are"
            raise TypeError(f"{self.label}: option {option!r} is not available: {reason}")

    def __get__(self, owner: object, kind: "type | None" = None) -> "Any":
        """As a method: the same flow or task, with the object as first argument."""
        if owner is None:
            return self
        bound = object.__new__(type(self))
        bound.__dict__.update(self.__dict__)
        bound.owner = owner
        return bound

    def _with_owner(self, args: "tuple[Any, ...]") -> "tuple[Any, ...]":
        return args if self.owner is NOTHING else (self.owner, *args)

    def __reduce__(self) -> str:
        # Pickled by name, as a function is: the process that unpickles imports the module and finds it there.
        return self.__qualname__

    def __repr__(self) -> str:
        return f"<{self.kind} {self.name!r}>"


def _checked_name(name: object, kind: str) -> str | None:
    if name is None:
        return None
    if not isinstance(name, str) or not name.strip() or not name.isprintable() or len(name) > 128:
        raise ValueError(f"expected the name of a {kind} to be 1 to 128 printable characters, got {name!r:.100}")
    return name
