"""What the scheduler tells whoever watches it: named events, written to stderr by the process."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from typing import Any


@cache
def _log() -> Any:
    return import_module("structlog").get_logger("headgate.scheduler")


def started(*, redis: str, owner: str, installation: str | None) -> None:
    """Say that the process is up."""
    _log().info("started", redis=redis, owner=owner, installation=installation)


def risky_redis(*, problem: str) -> None:
    """Say what this Redis would lose in a crash, and the remedy."""
    _log().warning("risky_redis", problem=problem)


def stopped() -> None:
    """Say that the process ends because it was asked to."""
    _log().info("stopped")


def leads(*, epoch: int) -> None:
    """Say that this scheduler works from now on."""
    _log().info("leads", epoch=epoch)


def stands_by(*, epoch: int) -> None:
    """Say that another scheduler works, and this one waits for its end."""
    _log().info("stands_by", epoch=epoch)


def strange_data(*, found: str) -> None:
    """Say that the data in Redis were replaced, and how to go on; nothing is done to them until then."""
    _log().error(
        "strange_data",
        found=f"the data in Redis are not those that this scheduler knew: {found}; it makes no runs and frees none",
        hint="point HEADGATE_REDIS_URL to the right server, or restart this scheduler to take these data as they are",
    )


def ticked(*, made: int, skipped: int, seconds: float) -> None:
    """Say that instants were dealt with."""
    _log().info("ticked", made=made, skipped=skipped, seconds=round(seconds, 4))


def bad_schedule(*, deployment: str, slug: str, problem: str) -> None:
    """Say that what Redis holds of a schedule can not be read; it is left alone until it is deployed again."""
    _log().error("bad_schedule", deployment=deployment, slug=slug, problem=problem)


def repaired(*, counts: Mapping[str, int]) -> None:
    """Say that something did not fit together; each is a defect or a stranger's hand."""
    _log().warning("repaired", **counts)


def wrong_keys(*, problems: list[str]) -> None:
    """Say that keys are not of our type: their queues are left alone until someone looks at them."""
    _log().error("wrong_keys", problems=problems)


def endangered(*, problem: str) -> None:
    """Say that keys of ours were let expire or dropped, and the remedy."""
    _log().error("endangered", problem=problem)


def forgot(*, runs: int, logs: int) -> None:
    """Say that retention removed something."""
    _log().info("forgot", runs=runs, logs=logs)


def forgot_code(*, bundles: int, pieces: int) -> None:
    """Say that code which no deployment names was removed."""
    _log().info("forgot_code", bundles=bundles, pieces=pieces)


def redis_away(*, problem: str, retry_in: float) -> None:
    """Say that Redis can not be reached; told once a minute."""
    _log().warning("redis_away", problem=problem, retry_in=round(retry_in, 2))


def redis_back(*, away_seconds: float) -> None:
    """Say that Redis is there again."""
    _log().info("redis_back", away_seconds=round(away_seconds, 1))


def duty_failed(*, duty: str, problem: str) -> None:
    """Say that one duty could not be done; the others go on."""
    _log().error("duty_failed", duty=duty, problem=problem)
