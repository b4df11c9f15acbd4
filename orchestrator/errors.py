"""Every exception of the orchestrator that users see. The docstring of a class is its message when none is given.

Each carries what the command line and the API show: a code for scripts, a message, the field it is about, a hint that
says what to do next, and the exit code of `headgate`.
"""

import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

LONGEST_SHOWN = 80


class HeadgateError(Exception):
    """Headgate could not do what was asked."""

    code = "error"
    exit_code = 1

    def __init__(self, message: str = "", *, field: str | None = None, hint: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or type(self).__name__).rstrip("."))
        self.field = field
        self.hint = hint

    @property
    def message(self) -> str:
        """What was wrong, without field and hint."""
        return str(self.args[0])

    def as_json(self) -> dict[str, object]:
        """`{code, message, field, hint}`, as `-o json` prints it."""
        return {"code": self.code, "message": self.message, "field": self.field, "hint": self.hint}


class Invalid(HeadgateError):
    """Something given to Headgate is not as it has to be."""

    code = "invalid"
    exit_code = 2


class InvalidSettings(Invalid):
    """The settings can not be used; `problems` holds one sentence for each that is wrong."""

    code = "settings"

    def __init__(self, problems: Sequence[str], *, hint: str = "correct it, or unset it to use its default") -> None:
        super().__init__("\n".join(problems), hint=hint)
        self.problems = tuple(problems)


class InvalidSchedule(Invalid):
    """A schedule can not be read, or would never fire."""

    code = "schedule"


class InvalidDeployment(Invalid):
    """A DeploymentSpec has an argument that can not be used."""

    code = "deployment"


class InvalidParameters(Invalid):
    """Parameters do not fit the flow's signature, are no JSON, or are too large."""

    code = "parameters"


class InvalidFlowFile(Invalid):
    """A deployment file or a flow's file can not be loaded; `file` and `line` say where, if that is known."""

    code = "flow-file"

    def __init__(
        self,
        message: str = "",
        *,
        code: str = "",
        field: str | None = None,
        hint: str | None = None,
        file: str | None = None,
        line: int | None = None,
    ) -> None:
        super().__init__(message, field=field, hint=hint)
        self.code = code or self.code
        self.file = file
        self.line = line

    def as_json(self) -> dict[str, object]:
        """As every error, and where it happened."""
        return {**super().as_json(), "file": self.file, "line": self.line}


class BadBundle(Invalid):
    """A bundle of code is not as it has to be: it can not be made, or what came out of Redis is not unpacked."""

    code = "bundle"


class IncompleteBundle(HeadgateError):
    """A bundle was not recorded: pieces of it are not in Redis; `missing` has their digests."""

    code = "incomplete-bundle"

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__(f"{len(missing)} pieces of the bundle are not in Redis", hint="deploy again")
        self.missing = tuple(missing)


class NotFound(HeadgateError):
    """Nothing has this name or id."""

    code = "not-found"
    exit_code = 3


class Ambiguous(Invalid):
    """The beginning of an id fits more than one thing."""

    code = "ambiguous"


class RefusedByState(HeadgateError):
    """The state of a run or deployment does not allow this; nothing was changed."""

    code = "refused-by-state"
    exit_code = 4


def shown(value: object) -> str:
    """What was found, as Python writes it, escaped and cut to 80 characters; never raises."""
    try:
        text = repr(value)
    except Exception:
        text = f"a {type(value).__name__}"
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"


def expected(what: str, to_be: str, found: object) -> str:
    """The sentence every refusal begins with: `expected <what> to be <to_be>, got <found>`."""
    return f"expected {what} to be {to_be}, got {shown(found)}"


def command(*words: object) -> str:
    """A command of ours as a shell takes it: what has spaces in it, or worse, is quoted."""
    return shlex.join(["headgate", *map(str, words)])


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The known word that looks most like this one, whatever its case; None when nothing is near."""
    known = {item.lower(): item for item in words}
    found = get_close_matches(word.lower(), known, n=1, cutoff=0.6)
    return known[found[0]] if found else None


def did_you_mean(word: str, words: Iterable[str]) -> str | None:
    """`did you mean 'x'?` for the nearest known word."""
    near = nearest(word, words)
    return f"did you mean {near!r}?" if near else None
