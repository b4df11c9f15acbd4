"""Names that a Tab completes: which kind of thing a parameter wants, and what there is of that kind.

Redis is asked once, briefly, over a bare socket; an embedded one only if it runs. No answer is no names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from orchestrator.config import Settings

WITHIN_SECONDS = 0.5
NEWEST_RUNS = 300
"""Of each state; older ones are found by hand."""
MOST_NAMES = 500
ID_PART = re.compile(r"[0-9a-f]{2}[0-9a-f-]{0,34}", re.ASCII)

PARAMETERS = {
    "queue": "queues",
    "queues": "queues",
    "work_queue": "queues",
    "deployment": "deployments",
    "flow": "flows",
    "run": "runs",
    "runs": "runs",
    "except": "runs",
    "tag": "tags",
    "tags": "tags",
    "profile": "profiles",
    "source": "profiles",
    "setting": "settings",
}
"""What a parameter wants, by its own name; `name` and others say it only together with the group of the command."""
GROUPS = {
    "work-queue": "queues",
    "deployment": "deployments",
    "flow": "flows",
    "flow-run": "runs",
    "agent": "agents",
    "concurrency-limit": "tags",
    "profile": "profiles",
    "config": "settings",
}
"""What the arguments of a group's commands name."""
NEW = {("work-queue", "create", "name"), ("profile", "create", "name"), ("profile", "rename", "to")}
"""Arguments of commands that are names which nothing has yet."""


def complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem[str]]:
    """What a parameter that takes a name may be."""
    from click.shell_completion import CompletionItem

    kind = kind_of(context, parameter)
    found = sorted(name for name in names(kind, incomplete) if fits(name, incomplete)) if kind else []
    return [CompletionItem(name) for name in found[:MOST_NAMES]]


def fits(name: str, incomplete: str) -> bool:
    """Whether a name begins so; what holds line ends or controls the terminal is none that a command takes."""
    return name.startswith(incomplete) and name.isprintable()


def kind_of(context: click.Context, parameter: click.Parameter) -> str | None:
    """Which kind of thing a parameter names; None for a name that is to be new."""
    group = context.parent.info_name if context.parent else ""
    name = parameter.name or ""
    if isinstance(parameter, click.Argument):
        is_new = (group, context.info_name, name) in NEW
        return None if is_new else PARAMETERS.get(name) or GROUPS.get(group or "")
    return PARAMETERS.get(name) or by_option(parameter)


def by_option(parameter: click.Parameter) -> str | None:
    """Which kind of thing an option names, by the words a user writes."""
    return next((PARAMETERS[word] for word in (text.strip("-") for text in parameter.opts) if word in PARAMETERS), None)


def names(kind: str, incomplete: str) -> Iterable[str]:
    """Everything of a kind, as far as it can be known at once; nothing when it can not."""
    from orchestrator.config import SETTINGS, Profiles, Settings

    try:
        if kind == "settings":
            return SETTINGS
        if kind == "profiles":
            return Profiles.of().all()
        return STORED[kind](Asked(Settings.load()), incomplete)
    except Exception:  # no settings, no Redis, an answer that is none: there is nothing to complete then
        return []


class Asked:
    """An installation that is asked for lists of names."""

    def __init__(self, settings: Settings) -> None:
        from orchestrator.keys import StoreKeys
        from queues.address import embedded_socket

        self.keys = StoreKeys(settings.prefix)
        self.url = settings.redis_url or f"unix://{embedded_socket(str(settings.home))}"

    def __call__(self, *commands: tuple[str, ...]) -> list[list[str]]:
        """The replies to commands that each answer a list of texts."""
        from queues.glance import glance

        replies = glance(self.url, commands, within=WITHIN_SECONDS)
        return [[item.decode(errors="replace") for item in reply] for reply in replies]


def queues(ask: Asked, _: str) -> set[str]:
    """All work queues; `default` is there also before anybody used it."""
    from queues.keys import DEFAULT_QUEUE

    return {DEFAULT_QUEUE, *ask(("SMEMBERS", ask.keys.queues))[0]}


def agents(ask: Asked, _: str) -> list[str]:
    """All agents."""
    return ask(("ZRANGE", ask.keys.agents, "0", "-1"))[0]


def deployments(ask: Asked, _: str) -> list[str]:
    """All deployments, as flow/name."""
    return ask(("HKEYS", ask.keys.deployments))[0]


def flows(ask: Asked, _: str) -> set[str]:
    """The flows of all deployments."""
    return {name.partition("/")[0] for name in deployments(ask, _)}


def tags(ask: Asked, _: str) -> list[str]:
    """The tags that have a limit."""
    return [name.removeprefix("tag:") for name in ask(("HKEYS", ask.keys.limits))[0] if name.startswith("tag:")]


def runs(ask: Asked, incomplete: str) -> set[str]:
    """The names of the newest runs of each state, and the ids of those whose id begins so."""
    from orchestrator.runs import run_name
    from queues.states import State

    last = str(NEWEST_RUNS - 1)
    newest = ask(*(("ZREVRANGE", ask.keys.state(state), "0", last) for state in State))
    ids = {run_id for found in newest for run_id in found}
    begun = {run_id for run_id in ids if ID_PART.fullmatch(incomplete) and run_id.startswith(incomplete)}
    return begun | {run_name(run_id) for run_id in ids}


STORED: Mapping[str, Callable[[Asked, str], Iterable[Any]]] = {
    "queues": queues,
    "agents": agents,
    "deployments": deployments,
    "flows": flows,
    "tags": tags,
    "runs": runs,
}
"""The kinds of things that Redis knows."""
