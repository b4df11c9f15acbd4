"""Waiting for a wake-up, on a Redis client that is used for nothing else."""

from typing import cast

import redis
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from queues.outages import translate


def wait_for_wake(client: redis.Redis, *lists: str, timeout: float) -> str | None:
    """Block until one of the lists has something ("work", "cancel" …) or `timeout` seconds passed; then None.

    The client's socket time-out must be above `timeout`. A wake-up is a hint: whoever gets none asks anyway.
    """
    where = client.get_connection_kwargs()
    try:
        found = client.blpop(list(lists), timeout=timeout)
    except RedisTimeout:
        return None
    except RedisError as failure:
        raise translate(failure, str(where.get("path") or where.get("host", "localhost"))) from failure
    return None if found is None else cast(bytes, found[1]).decode()
