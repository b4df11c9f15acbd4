"""Frames that say how a task moved, made of pieces that were encoded before: a flow may have 100,000 of them.

The same bytes that `frames.frame("task", …)` would make, at a fifth of its time.
"""

from orchestrator.process.frames import double, pack

_BEGIN = {with_parent: b"\x92\xa4task" + head for with_parent, head in ((False, b"\x86\xa2id"), (True, b"\x87\xa2id"))}
_names: dict[str, bytes] = {}
_states: dict[str, bytes] = {}


def move(id: str, name: str, state: str, at: float, attempt: int, parent: str | None) -> bytes:
    """The frame of a task's plain move: without a name for its state, and without a reason."""
    named = _names.get(name)
    if named is None:
        named = _names[name] = pack("name") + pack(name) + pack("kind") + pack("task") + pack("state")
    told = _states.get(state)
    if told is None:
        told = _states[state] = pack(state) + pack("at")
    body = (
        _BEGIN[parent is not None]
        + _text(id)
        + named
        + told
        + b"\xcb"
        + double(at)
        + b"\xa7attempt"
        + (bytes((attempt,)) if attempt < 128 else pack(attempt))
    )
    if parent is not None:
        body += b"\xa6parent" + _text(parent)
    return len(body).to_bytes(4, "big") + body


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "backslashreplace")
    return bytes((0xA0 | len(raw),)) + raw if len(raw) < 32 else pack(value)
