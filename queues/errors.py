"""All exceptions of floor 0; the docstring of each is what it means, its text is what the user reads."""

import re
from collections.abc import Sequence


class HeadgateQueueError(Exception):
    """Something about queues, runs or Redis is not as the caller expected."""


class InvalidAddress(HeadgateQueueError):
    """A Redis URL can not be read; the text never repeats what may be a password."""

    field = "redis_url"
    hint = "`headgate config view` shows where it was set"


class RedisFailure(HeadgateQueueError):
    """Redis can not be used: `code` names the case for machines, `hint` says what to do; no text holds a password."""

    verb = "can not be used"

    def __init__(self, address: str, cause: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(f"Redis at {address} {self.verb}: {cause}")
        self.address = address
        self.cause = cause
        self.code = code
        self.hint = hint


class RedisUnreachable(RedisFailure):
    """No answer can be had from Redis right now; `away` tells that nobody else can claim meanwhile either."""

    verb = "does not answer"

    def __init__(self, address: str, cause: str, *, away: bool = False, code: str = "", hint: str = "") -> None:
        super().__init__(address, cause, code=code, hint=hint)
        self.away = away


class RedisRefused(RedisFailure):
    """Redis answers and refuses: a wrong password, a missing right, no memory, a version that is too old."""

    verb = "refused"


class RedisNotStarted(RedisFailure):
    """A Redis of our own could not be started: no program, newer data than the program reads, or it ended at once."""

    verb = "could not be started"


class HomeUnusable(HeadgateQueueError):
    """The folder where Headgate keeps its data can not be used; the text has the path and the system's words."""

    def __init__(self, path: object, cause: str) -> None:
        super().__init__(f"the folder {path} can not be used: {cause}")
        self.path = str(path)
        self.cause = cause


class OutOfMemory(RedisRefused):
    """Redis is at its memory limit and takes nothing new; what is there is kept."""


class ScriptFailed(HeadgateQueueError):
    """A script of ours stopped with an error: a defect, never something that a user did."""

    def __init__(self, verb: str, cause: str) -> None:
        super().__init__(f"the script {verb} failed: {cause}")
        self.verb = verb
        self.cause = cause


class WrongKeyType(HeadgateQueueError):
    """A key of ours holds another type of value than ours: something else wrote there."""

    def __init__(self, key: str, expected: str, found: str) -> None:
        super().__init__(
            f"expected the key {key} to be a {expected}, got a {found}; `headgate doctor` looks at all keys"
        )
        self.key = key
        self.expected = expected
        self.found = found


class InvalidName(HeadgateQueueError):
    """A name holds characters that names may not have, or is too long."""

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(
            f"expected the {kind} to be 1 to 128 of a-z 0-9 . _ - and to start with a letter or digit, got {name!r}"
        )
        self.kind = kind
        self.name = name


class InvalidLabel(HeadgateQueueError):
    """What is to be a label of agents and runs is none."""

    def __init__(self, label: str) -> None:
        super().__init__(
            "expected a label to be a name (gpu) or name=value (region=eu), of a-z 0-9 . _ / - (values A-Z too) and at "
            f"most 63 characters each, got {label[:80]!r}"
        )
        self.label = label


class InvalidValue(HeadgateQueueError):
    """A value is outside what its field allows."""

    def __init__(self, field: str, allowed: str, found: object) -> None:
        super().__init__(f"expected {field} to be {allowed}, got {found!r}")
        self.field = field
        self.allowed = allowed
        self.found = found


class NewerSchema(HeadgateQueueError):
    """A newer version of Headgate wrote this; it is left as it is. `needs` is that version, empty when not known."""

    def __init__(self, what: str, needs: str = "") -> None:
        super().__init__(f"{what} was written by a newer Headgate: needs headgate >= {clean_version(needs)}")
        self.what = what
        self.needs = needs


def clean_version(needs: str) -> str:
    """A version as a sentence may hold it: it comes out of Redis."""
    return needs if re.fullmatch(r"[0-9][0-9a-z.+-]{0,30}", needs) else "the version that wrote it"


class BadPayload(HeadgateQueueError, ValueError):
    """What stands in Redis is not what we write there: too large, too deep, cut off, or of another shape."""


class UnknownQueue(HeadgateQueueError):
    """No work queue has this name or id; `nearest` is the existing name that looks most like it."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        meant = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"there is no work queue {name!r}{meant}")
        self.name = name
        self.nearest = nearest
        self.hint = "" if nearest else "`headgate work-queue ls` lists all, `headgate work-queue create NAME` makes one"


class AmbiguousQueue(HeadgateQueueError):
    """An id prefix fits more than one work queue."""

    def __init__(self, prefix: str, names: Sequence[str]) -> None:
        super().__init__(f"{prefix!r} fits {len(names)} work queues: {', '.join(names)}")
        self.prefix = prefix
        self.names = tuple(names)


class QueueExists(HeadgateQueueError):
    """A work queue of this name is there already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the work queue {name!r} exists already")
        self.name = name
        self.hint = (
            f"`headgate work-queue inspect {name}` shows it, "
            f"`headgate work-queue set-concurrency-limit {name} LIMIT` changes its limit"
        )


class UnknownRun(HeadgateQueueError):
    """No run has this id."""

    def __init__(self, run_id: str) -> None:
        super().__init__(f"there is no run {run_id!r}")
        self.run_id = run_id


class UnknownAgent(HeadgateQueueError):
    """No agent has this name; `nearest` is the existing name that looks most like it."""

    def __init__(self, name: str, nearest: str | None = None) -> None:
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        super().__init__(f"there is no agent {name!r}{hint}")
        self.name = name
        self.nearest = nearest


class RefusedByState(HeadgateQueueError):
    """The run is in a state that does not allow this; nothing was changed."""

    def __init__(self, run_id: str, state: str, since_us: int) -> None:
        super().__init__(f"the run {run_id} is {state}, which does not allow this")
        self.run_id = run_id
        self.state = state
        self.since_us = since_us


class RequestReused(HeadgateQueueError):
    """A request id that was used for one kind of call came again with another."""

    def __init__(self, request_id: str) -> None:
        super().__init__(f"the request id {request_id!r} was already used for another call")
        self.request_id = request_id
