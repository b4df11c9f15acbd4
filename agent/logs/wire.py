"""Parsing of what comes by the thousand, by the C of msgpack; everything else by the bounded decoder of the wire."""

from typing import Any

import msgpack

from orchestrator.process import frames

TASK = b"\x92\xa4task"
LONGEST = 4096
"""Bytes of a frame whose contents can not become much, whatever they are."""


def parse(payload: bytes) -> tuple[str, dict[str, Any]]:
    """The kind and body of a frame's payload; raises WireError."""
    if not payload.startswith(TASK) or len(payload) > LONGEST:
        return frames.parse(payload)
    try:
        kind, body = msgpack.unpackb(payload, max_ext_len=0)
    except (ValueError, TypeError) as error:
        raise frames.WireError(f"expected a frame of a task: {error}") from None
    if not isinstance(body, dict):
        raise frames.WireError("expected a frame to be [kind, body]")
    return kind, body
