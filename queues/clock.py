"""Between the integer microseconds of Redis and the aware datetimes of Python."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND_US = 1_000_000


def to_us(moment: datetime) -> int:
    """Count the microseconds since the epoch of an aware datetime, exactly."""
    if moment.tzinfo is None:
        raise ValueError(f"expected an aware datetime, got {moment!r}; give it a time zone")
    return (moment - EPOCH) // timedelta(microseconds=1)


def from_us(moment_us: int) -> datetime:
    """Give the UTC datetime of microseconds since the epoch, exactly."""
    return EPOCH + timedelta(microseconds=moment_us)


def seconds_to_us(seconds: float) -> int:
    """Give a duration in whole microseconds."""
    return round(seconds * SECOND_US)
