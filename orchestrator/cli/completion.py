"""`headgate completion`: the script for a shell, and the answers that this script asks for at each Tab.

An answer is lines of text: `plain` or `file` first (whether the shell is to complete paths), then a value per line with
its help behind a tab. Whatever goes wrong, there is no answer and no message: a Tab must never get in anybody's way.
"""

import os
import signal
import sys
from collections.abc import Iterable
from contextlib import suppress
from types import FrameType

import click

from orchestrator.cli.frame import Command

SHELLS = ("bash", "zsh", "fish")
LONGEST_SECONDS = 2.0
"""After this the process is gone, whatever it waits for: a shell does nothing else until then."""
WORD_BREAKS = ":="
"""Behind these bash begins another word, and takes an answer for what follows them."""


@click.command("completion", cls=Command, shows=False)
@click.argument("shell", type=click.Choice(SHELLS))
@click.option("--line", hidden=True, help="What stands before the cursor; asks for what may come next.")
def completion(shell: str, line: str | None) -> None:
    """Print the script by which a shell completes commands, options and names. Its first line says where it belongs."""
    if line is None:
        from importlib.resources import files

        print(files("orchestrator.cli").joinpath("shells", f"completion.{shell}").read_text(encoding="utf-8"), end="")
        return
    signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, LONGEST_SECONDS)
    with suppress(Exception):
        sys.stdout.write("".join(f"{text}\n" for text in answer(shell, line)))


def give_up(_signal: int, _frame: FrameType | None) -> None:
    """Ends the process without a word."""
    os._exit(0)


def answer(shell: str, line: str) -> list[str]:
    """The lines of an answer: what may stand at the end of a command line."""
    from click.shell_completion import ShellComplete, split_arg_string

    from orchestrator.cli.root import headgate

    words = split_arg_string(line)
    while words and "=" in words[0]:  # variables set for one command
        words.pop(0)
    incomplete = "" if line[-1:].isspace() or len(words) < 2 else words.pop()
    items = ShellComplete(headgate, {}, "headgate", "").get_completions(words[1:], incomplete)
    if any(item.type != "plain" for item in items):
        return ["file"]
    return ["plain", *as_typed(shell, incomplete, ((str(item.value), item.help or "") for item in items))]


def as_typed(shell: str, incomplete: str, values: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Values with their help, in the form in which the shell takes them for the word at the cursor."""
    option, equals, _ = incomplete.partition("=")
    begun = max(incomplete.rfind(sign) for sign in WORD_BREAKS) + 1
    for value, text in values:
        typed = value
        if shell == "bash":
            typed = value.removeprefix(incomplete[:begun])
        elif equals and option.startswith("-"):
            typed = f"{option}={value}"
        yield f"{typed}\t{' '.join(text.split())}"
