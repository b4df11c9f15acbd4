"""What every command shares: groups that load their commands by name, `-o`, `--debug`, and "did you mean"."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.output import FORMS, Output
from orchestrator.cli.slips import NUMBER

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


LONGEST_HELP = 200


def as_output(_context: click.Context, _option: click.Parameter, form: str) -> Output:
    """Turns the text of `-o` into the writer that a command prints with."""
    return Output(form)


class Command(click.Command):
    """A command that takes `--debug`, and `-o` (as the argument `output`) unless it is declared with `shows=False`."""

    def __init__(self, *arguments: Any, shows: bool = True, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        if shows:
            # Made first, so that a bad value elsewhere is already reported in the form that was asked for.
            self.params.append(
                click.Option(
                    ["-o", "--output"],
                    type=click.Choice(FORMS),
                    default="text",
                    is_eager=True,
                    callback=as_output,
                    help="How to print.",
                )
            )
        self.params.append(debug_option())

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Parses; a number below zero is a value that some argument refuses, not an option, and no error is nowhere."""
        try:
            return super().parse_args(context, list(arguments))
        except click.exceptions.NoSuchOption as error:
            if not NUMBER.match(error.option_name):
                raise
            context.ignore_unknown_options = True
            return super().parse_args(context, arguments)
        except click.UsageError as error:
            error.ctx = error.ctx or context
            raise


class Group(click.Group):
    """A command group whose commands are `Command`s."""

    command_class = Command

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params.append(debug_option())

    def list_commands(self, context: click.Context) -> list[str]:
        """Names in the order in which they are declared: the order of a day's work, not the alphabet."""
        return list(self.commands)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Finds a command; an unknown one is answered with the nearest names of this group."""
        known = self.list_commands(context)
        try:
            name, command, rest = super().resolve_command(context, arguments)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=known, ctx=context) from None
        if command is None:  # only while completing, where it would be taken for the beginning of a command
            raise click.exceptions.NoSuchCommand(arguments[0], possibilities=known, ctx=context)
        return name, command, rest

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Completes commands with their whole first sentence: click cuts it in the middle."""
        from click.shell_completion import CompletionItem

        begun = [self.commands[name] for name in self.list_commands(context) if name.startswith(incomplete)]
        items = [CompletionItem(one.name, help=one.get_short_help_str(LONGEST_HELP)) for one in begun]
        return [*items, *click.Command.shell_complete(self, context, incomplete)]


Group.group_class = Group


class LazyGroup(Group):
    """A group of groups: `parts` maps a command to (`module:attribute`, help); the module loads when it is called."""

    def __init__(self, *arguments: Any, parts: Mapping[str, tuple[str, str]], **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.parts = parts

    def list_commands(self, context: click.Context) -> list[str]:
        """The names of all parts, in their order."""
        return list(self.parts)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        """Imports the module of one part."""
        if name not in self.parts:
            return None
        module, _, attribute = self.parts[name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command), f"expected {module}:{attribute} to be a command, got {command!r}"
        return command

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """Completes names of parts from the table alone, so that a Tab imports no command."""
        from click.shell_completion import CompletionItem

        parts = [
            CompletionItem(name, help=text) for name, (_, text) in self.parts.items() if name.startswith(incomplete)
        ]
        return [*parts, *click.Command.shell_complete(self, context, incomplete)]

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the list from the table alone, so that help imports no command."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self.parts.items()])


def debug_option() -> click.Option:
    """`--debug`, accepted anywhere; the reporter of errors looks for it on the command line itself."""
    return click.Option(["--debug"], is_flag=True, expose_value=False, help="Show tracebacks.")


def group(name: str, text: str) -> Callable[[Callable[..., Any]], Group]:
    """Declares a command group, named and explained by one sentence."""
    return click.group(name, cls=Group, help=text, no_args_is_help=True, context_settings={"max_content_width": 110})
