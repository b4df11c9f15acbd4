"""What went wrong while a user's file was loaded, in plain words with file and line; the traceback is for --debug."""

import os
import traceback
from typing import Any

from orchestrator.errors import HeadgateError

LONGEST_LINE = 160
LONGEST_MESSAGE = 2000
LONGEST_TRACEBACK = 64 * 1024


def explained(error: BaseException, path: str, folder: str | None = None) -> dict[str, Any]:
    """`{code, message, field, hint, file, line, traceback}` of any exception that loading a file has raised.

    `folder` is where the user's own files are, without it that of the file. A missing module is named as `module`, too.
    """
    told: dict[str, Any] = {"field": None, "hint": None}
    told["file"], told["line"] = place_of(error, folder or os.path.dirname(path)) or (path, None)
    if isinstance(error, HeadgateError):
        told |= {key: value for key, value in of_ours(error).items() if value is not None}
    elif isinstance(error, SyntaxError):
        told |= of_syntax(error, path)
    elif isinstance(error, ImportError):
        told |= of_import(error)
    elif isinstance(error, SystemExit):
        hint = 'move it below `if __name__ == "__main__":`, which does not run here'
        told |= {"code": "exit", "message": f"the file called exit({error.code!r}) while it was loaded", "hint": hint}
    else:
        hint = "the file is run when it is deployed, and again at every run; --debug shows the traceback"
        told |= {"code": "load", "message": f"{described(error)}{source_of(error, path)}", "hint": hint}
    told["message"] = told["message"][:LONGEST_MESSAGE]
    told["traceback"] = "".join(traceback.format_exception(error))[-LONGEST_TRACEBACK:]
    return told


def of_ours(error: HeadgateError) -> dict[str, Any]:
    """An error that says itself what is wrong."""
    return {**error.as_json(), "file": getattr(error, "file", None), "line": getattr(error, "line", None)}


def of_syntax(error: SyntaxError, path: str) -> dict[str, Any]:
    """The line and a caret below the place."""
    shown = ""
    if error.text:
        line = error.text.rstrip("\r\n").expandtabs(1)
        indent = len(line) - len(line.lstrip())
        caret = max((error.offset or 1) - 1 - indent, 0)
        start = max(caret - LONGEST_LINE // 2, 0)
        shown = f"\n{line.strip()[start : start + LONGEST_LINE]}\n{' ' * (caret - start)}^"
    column = f" (column {error.offset})" if error.offset else ""
    file = os.path.abspath(error.filename) if error.filename else path
    return {"code": "syntax", "message": f"{error.msg}{column}{shown}", "file": file, "line": error.lineno}


def of_import(error: ImportError) -> dict[str, Any]:
    """The module or name that is missing."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        package = error.name.partition(".")[0]
        message = f"there is no module {error.name!r}"
        hint = f"install {package} here and where agents run, or put {package}.py beside the file"
        if package == "prefect":
            hint = "write `from orchestrator import flow, task` for `from prefect import flow, task`"
        return {"code": "import", "message": message, "hint": hint, "module": error.name}
    return {"code": "import", "message": str(error) or "an import failed"}


def place_of(error: BaseException, folder: str) -> tuple[str, int | None] | None:
    """The innermost line of the user's own files on the way to an error."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if is_theirs(frame.filename, folder)]
    return (os.path.abspath(inside[-1].filename), inside[-1].lineno) if inside else None


def is_theirs(file: str, folder: str) -> bool:
    """Whether a file is below the folder of the deployment, and of no library."""
    below = os.path.abspath(file).startswith(folder.rstrip("/") + "/")
    return (
        below
        and "site-packages" not in file
        and not file.startswith("<")
        and "/orchestrator/" not in file[len(folder) :]
    )


def source_of(error: BaseException, path: str) -> str:
    """The line of the user's file that raised, below the message."""
    frames = traceback.extract_tb(error.__traceback__)
    inside = [frame for frame in frames if is_theirs(frame.filename, os.path.dirname(path))]
    return f"\n{inside[-1].line[:LONGEST_LINE]}" if inside and inside[-1].line else ""


def described(error: BaseException) -> str:
    """An exception as one line; never raises."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
