"""`headgate version`: what is installed here, and which Redis it would use."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import click

from orchestrator.cli.access import settings
from orchestrator.cli.frame import Command
from orchestrator.cli.output import Output

if TYPE_CHECKING:
    from orchestrator.config import Settings


def installed_version() -> str:
    """The version of the distribution; that of a bare checkout is not known."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("headgate")
    except PackageNotFoundError:
        return "0+checkout"


@click.command("version", cls=Command)
def version(output: Output) -> None:
    """Print versions, home folder and Redis. A Redis that is down is no error here."""
    from queues.keys import Keys

    chosen = settings()
    address, redis_version, installation = redis_in_use(chosen, output)
    output.record(
        {
            "version": installed_version(),
            "python": platform.python_version(),
            "home": str(chosen.home),
            "redis_url": address,
            "redis_version": redis_version,
            "rq_key_prefix": Keys(chosen.prefix).rq,
            "profile": chosen.profile,
            "installation": installation,
        }
    )


def redis_in_use(chosen: Settings, output: Output) -> tuple[str, str | None, str | None]:
    """Address (without password) and version of Redis, that runs or would be started, and whose data it holds."""
    from queues.connection import connect
    from queues.errors import HeadgateQueueError
    from queues.keys import Keys
    from queues.redis_binary import find_binary
    from queues.redis_home import RedisHome
    from queues.redis_server import running_url

    address = chosen.redis_address or f"unix://{RedisHome.under(chosen.home).socket}"
    try:
        if chosen.redis_url is None and running_url(chosen.home) is None:
            return address, find_binary().version, None
        with connect(chosen.redis_url or address) as redis:
            found: bytes | None = redis.hget(Keys(chosen.prefix).recovery, "installation")
            return address, str(redis.info("server")["redis_version"]), found.decode() if found else None
    except HeadgateQueueError as error:
        output.note(f"Warning: {error}")
        return address, None, None
