"""What people type who know another tool, or are tired: the words that they mean here."""

import re
from collections.abc import Sequence

import click

AT_TOP = {
    "help": ("--help",),
    "ls": ("flow-run ls", "work-queue ls", "deployment ls"),
    "list": ("flow-run ls", "work-queue ls", "deployment ls"),
    "ps": ("status",),
    "top": ("status --watch",),
    "run": ("deployment run",),
    "deploy": ("deployment create",),
    "apply": ("deployment create",),
    "create": ("deployment create", "work-queue create"),
    "logs": ("flow-run logs",),
    "cancel": ("flow-run cancel",),
    "retry": ("flow-run retry",),
    "explain": ("flow-run explain",),
    "pause": ("work-queue pause", "deployment pause"),
    "resume": ("work-queue resume", "deployment resume"),
    "preview": ("work-queue preview", "deployment preview"),
    "slots": ("work-queue slots",),
    "limit": ("work-queue set-concurrency-limit",),
    "drain": ("agent drain",),
    "stop": ("agent stop", "agent drain"),
    "worker": ("agent",),
    "job": ("flow-run",),
    "tag": ("concurrency-limit",),
}
"""A word where a command belongs -> the commands that may be meant."""
VERBS = {
    "help": ("--help",),
    "list": ("ls", "view"),
    "all": ("ls",),
    "show": ("inspect", "view"),
    "get": ("inspect", "view"),
    "describe": ("inspect",),
    "info": ("inspect",),
    "add": ("create", "set"),
    "new": ("create",),
    "apply": ("create",),
    "build": ("create",),
    "deploy": ("create",),
    "update": ("create",),
    "start": ("run",),
    "trigger": ("run",),
    "rm": ("delete", "unset"),
    "remove": ("delete", "unset"),
    "kill": ("cancel", "stop"),
    "stop": ("cancel", "pause"),
    "rerun": ("retry",),
    "restart": ("retry", "start"),
    "log": ("logs",),
    "tail": ("logs -f",),
    "why": ("explain",),
    "unpause": ("resume",),
    "limit": ("set-concurrency-limit",),
    "holders": ("slots",),
    "purge": ("clear",),
    "empty": ("clear",),
}
"""A word where a verb of a group belongs -> the verbs that may be meant, as far as the group has them."""
OPTIONS = {
    "--json": ("--output json",),
    "--jsonl": ("--output jsonl",),
    "--format": ("--output",),
    "--status": ("--state",),
    "--work-queue": ("--queue",),
    "--pool": ("--queue",),
    "--concurrency-limit": ("--limit",),
    "--concurrency": ("--limit",),
    "--count": ("--limit", "--tail"),
    "-n": ("--limit",),
    "--force": ("--yes",),
    "-f": ("--yes",),
    "--parameter": ("--param",),
    "-v": ("--version",),
}
"""An option that there is not -> those that may be meant, as far as the command has them."""
NEAR = 0.7
SURPLUS = re.compile(r"unexpected extra arguments? \((.+)\)", re.DOTALL)
NUMBER = re.compile(r"-\d")


def of_command(word: str, near: Sequence[str] | None, context: click.Context) -> str | None:
    """What to say of a word that is no command; `near` are the commands that look like it."""
    if context.parent is None:
        return meant(AT_TOP.get(word) or near)
    group = context.command
    assert isinstance(group, click.Group)
    there = ["--help", *group.list_commands(context)]
    return meant([verb for verb in VERBS.get(word, ()) if verb.split()[0] in there] or near)


def of_option(word: str, near: Sequence[str] | None, context: click.Context) -> str | None:
    """What to say of an option that there is not; `near` are those that look like it."""
    from difflib import SequenceMatcher

    if word == "--profile":
        return "it stands before the command: `headgate --profile NAME …`"
    if word in ("-o", "--output") and isinstance(context.command, click.Group):
        return "it stands after the command, as in `headgate work-queue ls -o json`"
    there = options_of(context)
    known = [option for option in OPTIONS.get(word, ()) if option.split()[0] in there]
    said = meant(known or [one for one in near or () if SequenceMatcher(None, word, one).ratio() >= NEAR])
    if "--param" in there and word.startswith("--") and not known:
        parameter = f"a parameter of the flow is given as `-p {word.removeprefix('--')}=…`"
        return f"{said} {parameter[0].upper()}{parameter[1:]}" if said else parameter
    return said


def of_surplus(message: str, context: click.Context) -> str | None:
    """What to write instead of words that are too many, where that can be known."""
    found = SURPLUS.search(message)
    if found is None:
        return None
    there, words = options_of(context), found[1].split()
    if "--param" in there and words and all("=" in word for word in words):
        return f"a parameter of the flow is given as `-p {words[0]}`"
    if "--create-queues" in there and "--queue" in there:
        return f"a work queue is named as in `-q {words[0]}`"
    return None


def options_of(context: click.Context) -> set[str]:
    """The options that the command of a context has."""
    return {name for parameter in context.command.get_params(context) for name in parameter.opts}


def meant(names: Sequence[str] | None) -> str | None:
    """`Did you mean …?` for the nearest names."""
    return f"Did you mean {' or '.join(f'`{name}`' for name in names)}?" if names else None
