"""The schema of every kind of record that we write: one number per kind, raised when older readers would misread it.

A record names its schema in its field `schema`; dense ones (log batches, rows of task runs) and plain JSON only from
the second on, so that none means 1. Fields that a reader does not know are ignored. A record of a newer schema is never
guessed at: it is left as it is, and its field `needs` names the oldest version of Headgate that reads it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from queues.errors import NewerSchema

RUN = 2
"""The record of a run; 2 that of one which requires labels of its agent, all others say 1."""
LABELS_NEED = "0.1.0"
"""The oldest version that knows labels."""
QUEUE = 1
"""The settings of a work queue."""
AGENT = 1
"""What an agent says of itself."""
ANSWER = 1
"""A kept answer to a call."""
DEPLOYMENT = 1
"""A deployment: its name, its revision, its times."""
SPEC = 2
"""The spec of a revision of a deployment. 2: its code is not at its path, or it has needs that are new then."""
SCHEDULE = 1
"""The stored text of a schedule."""
LOG_BATCH = 1
"""A batch of log lines."""
TASK_RUN = 1
"""The row of a task run."""


def is_newer(schema: object, known: int) -> bool:
    """Whether what a record says about its schema is a number above the one we know."""
    text = schema.decode("ascii", "replace") if isinstance(schema, bytes) else str(schema)
    return text.isascii() and text.isdigit() and (len(text) > 9 or int(text) > known)


def refuse_newer(what: str, values: Mapping[str, Any], known: int) -> None:
    """Raise NewerSchema when the fields `schema` and `needs` of a record say that a newer version wrote it."""
    if is_newer(values.get("schema", 1), known):
        needs = values.get("needs") or ""
        raise NewerSchema(what, needs.decode("ascii", "replace") if isinstance(needs, bytes) else str(needs))
