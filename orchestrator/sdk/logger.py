"""The run logger: a light one with logging's methods, so that a flow need not import logging to say something."""

from orchestrator.sdk import context
from orchestrator.sdk.states import describe

DEBUG, INFO, WARNING, ERROR, CRITICAL = 10, 20, 30, 40, 50
LEVEL_NAMES = {DEBUG: "DEBUG", INFO: "INFO", WARNING: "WARNING", ERROR: "ERROR", CRITICAL: "CRITICAL"}


class RunLogger:
    """Logs into the current run: `%`-arguments, `exc_info=` as in logging; other keywords of logging are accepted."""

    def __init__(self, name: str = "flow") -> None:
        self.name = name
        self.level = DEBUG

    def log(self, level: int, message: object, *args: object, exc_info: object = None, **_: object) -> None:
        """One record at a numeric level."""
        if level < self.level:
            return
        text = _filled(message, args)
        if exc_info:
            text += _exception_text(exc_info)
        context.reporter().log(level, self.name, text)

    def debug(self, message: object, *args: object, **options: object) -> None:
        self.log(DEBUG, message, *args, **options)

    def info(self, message: object, *args: object, **options: object) -> None:
        self.log(INFO, message, *args, **options)

    def warning(self, message: object, *args: object, **options: object) -> None:
        self.log(WARNING, message, *args, **options)

    warn = warning

    def error(self, message: object, *args: object, **options: object) -> None:
        self.log(ERROR, message, *args, **options)

    def critical(self, message: object, *args: object, **options: object) -> None:
        self.log(CRITICAL, message, *args, **options)

    fatal = critical

    def exception(self, message: object, *args: object, exc_info: object = True, **options: object) -> None:
        """An error with the traceback of the exception being handled."""
        self.log(ERROR, message, *args, exc_info=exc_info, **options)

    def setLevel(self, level: "int | str") -> None:
        """Drop records below this level, given as a number or a name."""
        names = {name: number for number, name in LEVEL_NAMES.items()}
        self.level = level if isinstance(level, int) else names[level.upper()]

    def isEnabledFor(self, level: int) -> bool:
        return level >= self.level


_loggers: dict[str, RunLogger] = {}


def get_run_logger(name: str = "flow") -> RunLogger:
    """The logger of the current run: to the agent in a flow's process, else readable lines on stderr."""
    logger = _loggers.get(name)
    if logger is None:
        logger = _loggers[name] = RunLogger(name)
    return logger


def _filled(message: object, args: tuple[object, ...]) -> str:
    """The message with its arguments; a log call with a slip in it loses the formatting, never the run."""
    try:
        text = str(message)
        if not args:
            return text
        single = args[0] if len(args) == 1 and isinstance(args[0], dict) and args[0] else args
        return text % single
    except Exception as error:
        return f"{_shown(message)} {_shown(args)} (not formatted: {describe(error)})"


def _shown(value: object) -> str:
    try:
        return (value if isinstance(value, str) else repr(value))[:2000]
    except Exception:
        return "(a value that can not be shown)"


def _exception_text(exc_info: object) -> str:
    import sys

    from orchestrator.sdk import tracebacks

    error = exc_info
    if isinstance(error, tuple) and len(error) == 3:
        error = error[1]
    if not isinstance(error, BaseException):
        error = sys.exc_info()[1]
    return f"\n{tracebacks.formatted(error)}" if error is not None else ""
