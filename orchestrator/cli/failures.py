"""Errors as users see them: one sentence on stderr, or `{code, message, field, hint}` with `-o json`, and an exit code.

Every exception of ours tells its own story; this file finds the exit code of its kind, masks secrets, and cuts
tracebacks unless `--debug` is given.
"""

import errno
import re
import sys
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import click

from orchestrator.cli import slips
from orchestrator.cli.surroundings import missing
from orchestrator.errors import shown

# Everything between :// and the last @ of the same word can be a user name and a password.
OURS = ("queues", "orchestrator", "agent")
KINDS = {
    "RedisFailure": (5, "redis"),
    "NotFound": (3, "not-found"),
    "UnknownQueue": (3, "not-found"),
    "UnknownRun": (3, "not-found"),
    "UnknownAgent": (3, "not-found"),
    "Ambiguous": (2, "ambiguous"),
    "AmbiguousQueue": (2, "ambiguous"),
    "InvalidAddress": (2, "settings"),
    "InvalidName": (2, "invalid"),
    "InvalidValue": (2, "invalid"),
    "RefusedByState": (4, "refused"),
    "QueueExists": (4, "exists"),
    "HomeUnusable": (1, "home"),
}
"""Exit code and code by class name, for our exceptions that do not carry them as `exit_code` and `code`."""
SECRET = re.compile(r"(\w+://)[^\s'\"]*@")
SECRET_OPTION = re.compile(r"([?&]\w*password=)[^&\s'\"]*")


class Failure(NamedTuple):
    """What is told about one error; `file` and `line` where one of a user's files is at fault."""

    exit_code: int
    code: str
    message: str
    field: str | None = None
    hint: str | None = None
    file: str | None = None
    line: int | None = None

    def as_json(self) -> dict[str, object]:
        """`{code, message, field, hint}`, and the place in a file if there is one; passwords are masked."""
        told: dict[str, object] = {"code": self.code, "message": masked(self.message), "field": self.field}
        told["hint"] = masked(self.hint) if self.hint else None
        return told | {"file": self.file, "line": self.line} if self.file else told


class CommandError(Exception):
    """A command refused or failed; raised by the commands themselves."""

    def __init__(
        self,
        message: str,
        *,
        exit_code: int = 1,
        code: str = "error",
        field: str | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message)
        self.failure = Failure(exit_code, code, message, field, hint)


def report(error: BaseException, arguments: Sequence[str]) -> int:
    """Prints an error the way the command line asks for it and answers its exit code."""
    from orchestrator.cli.output import VISIBLE_LINES, as_json, told

    failure = failure_of(error)
    if "--debug" in options(arguments):
        import traceback

        print(masked("".join(traceback.format_exception(error))).translate(VISIBLE_LINES), file=sys.stderr, end="")
    if wants_json(arguments):
        print(as_json(failure.as_json()), file=sys.stderr)
    elif failure.message:
        # What a flow raised, or what stands in Redis, may be part of the sentence.
        print(told(masked(sentence(failure)).translate(VISIBLE_LINES), sys.stderr), file=sys.stderr)
    return failure.exit_code


def sentence(failure: Failure) -> str:
    """`Error: where: what; what to do next`, on one line unless there are several things wrong."""
    if failure.code == "help":
        return failure.message
    text = f"Error: {place_of(failure)}" + failure.message.replace("\n", "\n       ")
    if not failure.hint:
        return text
    if "\n" in failure.message:
        return f"{text}\n       {failure.hint}"
    return f"{text.rstrip('.')}{'. ' if failure.hint[0].isupper() else '; '}{failure.hint}"


def place_of(failure: Failure) -> str:
    """Where it is wrong, `file:line` and field, as far as the message does not say it itself."""
    line = f":{failure.line}" if failure.line else ""
    # An argument needs no name where the message is about the thing that it names.
    is_argument = failure.field is not None and failure.field.isupper() and failure.code not in ("usage", "invalid")
    places = [f"{failure.file}{line}" if failure.file else None, None if is_argument else failure.field]
    return "".join(f"{place}: " for place in places if place and place not in failure.message)


def failure_of(error: BaseException) -> Failure:
    """What is told about any exception that reached the top."""
    if isinstance(error, CommandError):
        return error.failure
    if isinstance(error, click.ClickException):
        return usage_failure(error)
    if any(ancestor.__module__.partition(".")[0] in OURS for ancestor in type(error).__mro__):
        exit_code, code = kind_of(error)
        field, hint, file, line = (getattr(error, name, None) or None for name in ("field", "hint", "file", "line"))
        return Failure(exit_code, code, str(error), field, hint, file, line)
    if told := missing(error):
        return Failure(1, "missing-package", told[0], None, told[1])
    if isinstance(error, OSError) and error.filename is not None:
        name = errno.errorcode.get(error.errno or 0, "error")
        hint = "check the path and its owner; HEADGATE_HOME names another home folder"
        return Failure(1, "file", f"{error.filename}: {error.strerror} ({name})", None, hint)
    if isinstance(error, OSError):
        return Failure(1, "system", error.strerror or str(error))
    return Failure(
        1, "bug", f"unexpected {type(error).__name__}: {error}", None, "run it again with --debug and report it"
    )


def kind_of(error: BaseException) -> tuple[int, str]:
    """Exit code and code of one of our own exceptions; the table goes by names, so that nothing is imported for it."""
    names = (ancestor.__name__ for ancestor in type(error).__mro__)
    exit_code, code = next((KINDS[name] for name in names if name in KINDS), (1, "error"))
    return getattr(error, "exit_code", exit_code), getattr(error, "code", None) or code


def usage_failure(error: click.ClickException) -> Failure:
    """What is told about a command line that click refused."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context else "headgate"
    see = f"see `{command} --help`"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return Failure(2, "help", error.message)
    if isinstance(error, click.exceptions.NoSuchCommand):
        hint = slips.of_command(error.command_name, error.possibilities, context) if context else None
        return Failure(2, "usage", f"unknown command {shown(error.command_name)}", None, hint or see)
    if isinstance(error, click.exceptions.NoSuchOption):
        hint = slips.of_option(error.option_name, error.possibilities, context) if context else None
        return Failure(2, "usage", f"unknown option {shown(error.option_name)} of `{command}`", None, hint or see)
    if isinstance(error, click.exceptions.MissingParameter):
        field = field_of(error.param) if error.param else None
        return Failure(2, "usage", f"`{command}` needs {field or 'a value'}", field, see)
    if isinstance(error, click.exceptions.BadParameter):
        return Failure(2, "invalid", error.message.rstrip("."), field_of(error.param) if error.param else None, None)
    hint = slips.of_surplus(error.message, context) if context else None
    return Failure(2, "usage", error.message.rstrip("."), None, hint or see)


def field_of(parameter: click.Parameter) -> str:
    """What a user calls a parameter: its longest option, or the argument in capitals."""
    return (
        max(parameter.opts, key=len)
        if isinstance(parameter, click.Option)
        else (parameter.metavar or parameter.name or "").upper()
    )


def masked(text: str) -> str:
    """The text without user names and passwords of addresses."""
    return SECRET_OPTION.sub(r"\1***", SECRET.sub(r"\1***@", text))


def options(arguments: Sequence[str]) -> list[str]:
    """The part of the command line where options are options."""
    return list(arguments[: arguments.index("--")] if "--" in arguments else arguments)


def wants_json(arguments: Sequence[str]) -> bool:
    """Whether `-o json` or `-o jsonl` was asked for, read from the words themselves: parsing may be what failed."""
    words = options(arguments)
    forms = [
        word.removeprefix("--output=").removeprefix("-o").removeprefix("=")
        for word in words
        if word.startswith(("--output=", "-o"))
    ]
    forms += [after for word, after in pairwise(words) if word in ("-o", "--output")]
    return any(form in ("json", "jsonl") for form in forms)
