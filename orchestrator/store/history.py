"""What operators changed, newest first: kept by the scripts that make the changes, read here."""

from dataclasses import dataclass

from orchestrator.keys import StoreKeys
from queues.records import whole
from queues.scripts import Scripts

LOOKED_AT = 10_000
"""Changes that the stream keeps, and that one reading looks through at most."""

PIECE = 500


@dataclass(frozen=True, kw_only=True)
class ChangeRecord:
    """One change of a `subject` such as queue:…, deployment:…; `old` and `new` are None where there was nothing."""

    at_us: int
    actor: str
    subject: str
    field: str
    old: str | None
    new: str | None


class Changes:
    """Reads the stream of operator changes."""

    def __init__(self, scripts: Scripts, keys: StoreKeys) -> None:
        self._scripts = scripts
        self._keys = keys

    def of(self, subject: str, limit: int = 20) -> list[ChangeRecord]:
        """List the newest changes of a subject."""
        found: list[ChangeRecord] = []
        top = "+"
        for _ in range(LOOKED_AT // PIECE):
            entries = self._piece(top)
            found += [change for change in map(parsed, (fields for _, fields in entries)) if change.subject == subject]
            if len(entries) < PIECE or len(found) >= limit:
                break
            top = f"({entries[-1][0].decode()}"
        return found[:limit]

    def _piece(self, top: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
        key = self._keys.changes
        return list(self._scripts.ask(lambda client: client.xrevrange(key, max=top, count=PIECE)))


def parsed(fields: dict[bytes, bytes]) -> ChangeRecord:
    """Read one entry of the stream."""
    text = {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()}
    return ChangeRecord(
        at_us=whole(text.get("at")),
        actor=text.get("actor", ""),
        subject=text.get("subject", ""),
        field=text.get("field", ""),
        old=text.get("old") or None,
        new=text.get("new") or None,
    )
