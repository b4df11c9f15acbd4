"""Capturing the standard logging module: attached when user code imports it, never imported from here.

Handlers and levels stay the user's: nothing is added to the root logger, which would make his basicConfig() do
nothing. Records that no handler takes come to us as logging's last resort; what a handler writes to stdout or stderr
is sent as a record, so that its level and logger survive.
"""

import sys

from orchestrator.sdk import context

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from typing import Any


def attach(module: "Any") -> None:
    """Make the logging module send its records to the agent."""
    emit = module.StreamHandler.emit
    plain = module.Formatter("%(message)s")

    def emit_or_send(handler: "logging.StreamHandler[Any]", record: "logging.LogRecord") -> None:
        if not (handler.stream is sys.stdout or handler.stream is sys.stderr) or not _to_agent():
            emit(handler, record)
            return
        try:
            # logging.info() and the like set up the basic format by themselves; level and logger travel beside it.
            basic = getattr(handler.formatter, "_fmt", None) == module.BASIC_FORMAT
            message = (plain if basic else handler).format(record)
        except Exception:
            handler.handleError(record)
            return
        context.reporter().log(record.levelno, record.name, message)

    module.StreamHandler.emit = emit_or_send

    # Takes every record for which the user has set up no handler; it writes to sys.stderr, so to us.
    module.lastResort = module._StderrHandler(module.NOTSET)
    # Unconfigured, logging drops info() unseen; a run's log is where people look for it.
    if module.root.level == module.WARNING and not module.root.handlers:
        module.root.setLevel(module.INFO)


def _to_agent() -> bool:
    """Whether this is still the flow's process: a forked child writes to its descriptors instead."""
    link = getattr(context.reporter(), "_link", None)
    return link is not None and bool(link.open)
