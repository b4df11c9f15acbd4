"""Variables on the command line: `NAME=VALUE`, everything behind the first `=` is the value, as it is."""

from collections.abc import Iterable, Sequence

from orchestrator.cli.failures import CommandError
from orchestrator.cli.output import Output
from orchestrator.deployments.secrets import secrets
from orchestrator.errors import shown


def variables_of(pairs: Sequence[str], field: str) -> dict[str, str]:
    """The variables that words of a command line set; `field` is what an error calls them."""
    found: dict[str, str] = {}
    for place, pair in enumerate(pairs, 1):
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise refused(f"{field} (number {place})", f"expected NAME=VALUE, got {shown(pair)}", "as in REGION=south")
        if name in found:
            raise refused(f"{field} (number {place})", f"{name} was given before", "give every name once")
        found[name] = value
    return found


def refused(field: str, message: str, hint: str) -> CommandError:
    """A variable that is not sent."""
    return CommandError(message, exit_code=2, code="invalid", field=field, hint=hint)


def warn_of_secrets(output: Output, env: dict[str, str]) -> None:
    """Tell which variables sound like secrets: everybody who may look at runs may read them."""
    for name in secrets(env):
        told = "looks like a secret, and is kept readable: let the flow read it from a file of the agent's machine"
        output.note(f"Warning: {name} {told}")


def in_words(names: Iterable[str]) -> str:
    """Names in a sentence."""
    return ", ".join(names) or "nothing"
