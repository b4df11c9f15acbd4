"""What an agent tells whoever watches it: named events, and the one place that writes them, to stderr."""

import time
from functools import cache
from importlib import import_module
from typing import Any

TOLD_EVERY_SECONDS = 60.0
MOST_CAUSES = 100
_told: dict[tuple[str, str], float] = {}
"""When it was told last that something failed, and why."""


@cache
def _log() -> Any:
    return import_module("structlog").get_logger("headgate.agent")


def started(
    *,
    agent: str,
    queues: tuple[str, ...],
    labels: tuple[str, ...],
    limit: int,
    freed: int,
    swept: int,
    ends_runs_by: str,
) -> None:
    """The agent is registered and begins to claim; `ends_runs_by` is `control group` or `process tree`."""
    told = {"freed": freed, "swept": swept, "ends_runs_by": ends_runs_by}
    told |= {"labels": ",".join(labels)} if labels else {}
    _log().info("agent started", agent=agent, queues=",".join(queues), limit=limit, **told)


def answers_probes(*, host: str, port: int) -> None:
    """GET /health and /ready are answered there."""
    _log().info("agent answers probes", host=host, port=port)


def risky_redis(*, problem: str) -> None:
    """This Redis would lose something in a crash; the sentence says what, and the remedy."""
    _log().warning("risky Redis", problem=problem)


def few_descriptors(*, granted: int, needed: int) -> None:
    """The limit of open files is too low for as many runs as the agent may hold."""
    _log().warning("too few open files allowed for --limit runs; raise `ulimit -n`", granted=granted, needed=needed)


def launched(*, run: str, name: str, deployment: str, attempt: int, pid: int, **more: bool) -> None:
    """The process of a run was started; of a warm deployment, `warm` says whether it was forked."""
    _log().info("run launched", run=run, name=name, deployment=deployment, attempt=attempt, pid=pid, **more)


def not_launched(*, run: str, deployment: str, reason: str) -> None:
    """This machine can not start a run."""
    _log().warning("run not launched", run=run, deployment=deployment, reason=reason)


def ended(*, run: str, said: str, reason: str) -> None:
    """Redis was told how a run ended."""
    _log().info("run ended", run=run, state=said, reason=reason)


def late(*, run: str) -> None:
    """Redis was told how a run ended, and it had been given away."""
    _log().warning("end came too late, the run is another agent's", run=run)


def undelivered(*, run: str, cause: str) -> None:
    """Redis refused to hear how a run ended: its lease will run out."""
    _log().error("end not delivered", run=run, cause=cause)


def unreachable(*, what: str, cause: str) -> bool:
    """A call to Redis failed; it is tried again. Told once a minute per call and cause, not at every try."""
    now = time.monotonic()
    if now - _told.get((what, cause), -TOLD_EVERY_SECONDS) < TOLD_EVERY_SECONDS:
        return False
    if len(_told) >= MOST_CAUSES:
        _told.clear()
    _told[what, cause] = now
    _log().warning("redis unreachable", during=what, cause=cause)
    return True


def reachable() -> None:
    """Redis answers again."""
    _log().info("redis reachable again")


def failed(*, what: str, cause: str) -> None:
    """Something in the agent itself went wrong."""
    _log().error("agent failed", during=what, cause=cause)


def spool_unusable(*, path: str, cause: str) -> None:
    """Lines of runs can not be written to the disk: they stay in memory, and no further run is claimed."""
    _log().error("spool unusable, nothing is claimed until there is room", path=path, cause=cause)


def spool_usable(*, path: str) -> None:
    """Lines of runs are written to the disk again."""
    _log().info("spool usable again", path=path)


def spool_at_quota(*, path: str, bytes: int) -> None:
    """As much waits on the disk as may: flows wait until some of it is in Redis."""
    _log().warning("spool at its quota; HEADGATE_SPOOL_MB raises it", path=path, bytes=bytes)


def spool_left_alone(*, path: str, cause: str) -> None:
    """A file or folder of the spool is not this agent's to read."""
    _log().warning("spool left alone", path=path, cause=cause)


def spool_damaged(*, path: str, cause: str) -> None:
    """A spool file ends before its end; what came before was shipped."""
    _log().warning("spool damaged", path=path, cause=cause)


def leavings_shipped(*, run: str, attempt: int, files: int) -> None:
    """What a dead agent had written of a run is in Redis."""
    _log().info("leavings shipped", run=run, attempt=attempt, files=files)


def draining(*, runs: int) -> None:
    """No further run is claimed."""
    _log().info("agent drains", runs=runs)


def stopping(*, runs: int) -> None:
    """The runs are being ended."""
    _log().info("agent stops", runs=runs)


def left(*, agent: str) -> None:
    """The agent unregistered and ends."""
    _log().info("agent left", agent=agent)


def preparing(*, what: str, pid: int) -> None:
    """A process that brings code or an environment here was started."""
    _log().info("preparing", what=what, pid=pid)


def prepared(*, what: str, seconds: float, failed: str) -> None:
    """A preparation has ended; `failed` says why when nothing came of it."""
    if failed:
        _log().warning("not prepared", what=what, seconds=seconds, reason=failed)
    else:
        _log().info("prepared", what=what, seconds=seconds)


def template_ready(*, deployment: str, number: int, seconds: float, mebibytes: int) -> None:
    """Runs of a warm deployment are forked from now on."""
    _log().info("template ready", deployment=deployment, number=number, seconds=seconds, mebibytes=mebibytes)


def template_ended(*, deployment: str, number: int, reason: str) -> None:
    """The process that runs were forked from is gone."""
    _log().info("template ended", deployment=deployment, number=number, reason=reason)


def left_out(*, deployment: str, package: str, reason: str) -> None:
    """Runs of a warm deployment import a package themselves, since no template can hold it."""
    _log().warning("package left out of the template", deployment=deployment, package=package, reason=reason)


def not_warm(*, deployment: str, reason: str) -> None:
    """Runs of a warm deployment start cold."""
    _log().warning("warm deployment starts cold", deployment=deployment, reason=reason)


def workrooms_unusable(*, path: str, cause: str) -> None:
    """Working folders of runs can not be made or removed."""
    _log().warning("working folder unusable", path=path, cause=cause)
