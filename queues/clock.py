"""Between the integer microseconds of Redis and the aware datetimes of Python."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000


def to_us(moment: datetime) -> int:
    """Count the microseconds since the epoch of an aware datetime, exactly."""
    if moment.tzinfo is None:
        raise ValueError(f"expected an aware datetime, got {moment!r}; give it a time zone")
    return (moment - EPOCH) // timedelta(microseconds=1)


FIRST_US = to_us(datetime.min.replace(tzinfo=UTC) + timedelta(days=1))
LAST_US = to_us(datetime.max.replace(tzinfo=UTC) - timedelta(days=1))
"""Between these a time can be shown in every zone; one out of Redis may lie anywhere."""


def from_us(moment_us: int) -> datetime:
    """Give the UTC datetime of microseconds since the epoch, exactly; one that no calendar has is the last or first."""
    return EPOCH + timedelta(microseconds=min(max(moment_us, FIRST_US), LAST_US))


def score_us(score: float) -> int:
    """Give the microseconds that a score of a sorted set says, infinite ones too."""
    return int(min(max(score, FIRST_US), LAST_US))


def seconds_to_us(seconds: float) -> int:
    """Give a duration in whole microseconds."""
    return round(seconds * SECOND_US)
