"""Finding one thing by what a person calls it: its full id, the unique beginning of its id, or its name."""

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches

from orchestrator.errors import Ambiguous, NotFound, shown

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.ASCII)
ID_PART = re.compile(r"[0-9a-f][0-9a-f-]{0,35}", re.ASCII)
NEAREST = 3
LISTED = 10


def pick(kind: str, wanted: str, named: Mapping[str, str], hint: str | None = None) -> str:
    """Find the id among name -> id. Raises NotFound with the nearest three names, Ambiguous with the list."""
    if wanted in named:
        return named[wanted]
    part = wanted.lower()
    fitting = [name for name, one in named.items() if ID_PART.fullmatch(part) and one.startswith(part)]
    if len(fitting) > 1:
        raise ambiguous(kind, wanted, fitting)
    if not fitting:
        raise not_found(kind, wanted, named, hint)
    return named[fitting[0]]


def not_found(kind: str, wanted: str, names: Iterable[str], hint: str | None = None) -> NotFound:
    """Say that nothing has this name or id, and which names come near."""
    near = get_close_matches(wanted, list(names), n=NEAREST, cutoff=0.4)
    meant = (
        f"the nearest are {', '.join(near)}" if near else hint or f"`headgate {kind.replace(' ', '-')} ls` lists all"
    )
    return NotFound(f"there is no {kind} {shown(wanted)}", field=kind.upper(), hint=meant)


def ambiguous(kind: str, wanted: str, fitting: Sequence[str], hint: str = "give more of the id") -> Ambiguous:
    """Say that more than one thing is called so, and which."""
    listed = ", ".join(fitting[:LISTED]) + (", …" if len(fitting) > LISTED else "")
    text = f"{shown(wanted)} fits {len(fitting)} {kind}s: {listed}"
    return Ambiguous(text, field=kind.upper(), hint=hint)
