"""The entry point: runs one command line and turns whatever comes out of it into an exit code.

Duties:
1. Nothing but click is imported here, so that `headgate --help` answers at once.
2. Every error leaves as one sentence on stderr (a JSON object with `-o json`) and the exit code of its kind.
3. A reader that went away (`| head`) is no error; Ctrl-C is 130.
"""

import gc
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs `headgate` with `arguments` and exits; with those of its own process (None) that ends at once."""
    gc.disable()  # what a command loads it keeps; `access.settings` is where it begins to work
    try:
        code = run(list(sys.argv[1:] if arguments is None else arguments))
    except KeyboardInterrupt:
        import signal

        # One more must not break into the little that is left to do, and leave a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        code = INTERRUPTED
    code = close_streams(code)
    if arguments is None:
        end_at_once(code)
    sys.exit(code)


def end_at_once(code: int) -> None:
    """Ends the process without taking the interpreter apart, which is a fifth of what a short command takes.

    Nothing is left to be done: streams are flushed, Redis was let go of. A thread that goes on is waited for as ever.
    """
    threading = sys.modules.get("threading")
    if threading is None or all(one.daemon or one is threading.main_thread() for one in threading.enumerate()):
        os._exit(code)


def run(arguments: list[str]) -> int:
    """Runs one command line and answers its exit code."""
    prepare_streams()
    try:
        import click

        from orchestrator.cli.failures import report
        from orchestrator.cli.root import headgate
    except ModuleNotFoundError as error:
        return cannot_even_start(error)

    try:
        # Not `headgate.main`: click would answer a closed pipe with exit code 1.
        with headgate.make_context("headgate", list(arguments)) as context:
            headgate.invoke(context)
    except click.exceptions.Exit as end:
        return end.exit_code
    except click.Abort:
        return INTERRUPTED
    except BrokenPipeError:
        return 0
    except Exception as error:
        return report(error, arguments)
    return 0


def cannot_even_start(error: ModuleNotFoundError) -> int:
    """Says which package is missing when it is one that even errors are told with."""
    from orchestrator.cli.surroundings import missing

    told = missing(error)
    if told is None:
        raise error
    print(f"Error: {told[0]}; {told[1]}", file=sys.stderr)
    return 1


def prepare_streams() -> None:
    """Makes every stream usable: closed ones lead nowhere, and letters that a terminal can not show become escapes."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def close_streams(code: int) -> int:
    """Flushes what is left; a closed pipe means "read enough", and the interpreter must not complain of it at exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (OSError, ValueError) as error:
            code = code or 1
            if stream is sys.stdout:
                print(f"Error: the output could not be written: {error}", file=sys.stderr)
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return code
