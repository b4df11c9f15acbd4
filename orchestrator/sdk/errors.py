"""Everything the SDK raises by name. A docstring is the message's meaning, the message itself says what to do."""


class ParameterError(ValueError):
    """The parameters do not fit the flow's signature; `problems` holds one sentence for each that does not."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class FutureIsNotAValue(TypeError):
    """A task's future was used where its value was meant."""


class UpstreamFailed(RuntimeError):
    """A task could not start because a task whose result it needs has failed."""


class TaskFailed(RuntimeError):
    """A task failed, nobody read its result, and the flow returned nothing explicit."""


class TaskCancelled(RuntimeError):
    """A task had not started when its flow ended."""


class TaskTimedOut(TimeoutError):
    """A task ran longer than its timeout_seconds."""


class FlowTimedOut(TimeoutError):
    """A flow ran longer than its timeout_seconds."""


class OutsideFlow(RuntimeError):
    """Something was asked for that only exists while a flow runs."""


class WouldBlockLoop(RuntimeError):
    """A blocking wait inside an event loop for something that the same loop has to do."""


class RunTerminated(KeyboardInterrupt):
    """The process of the run was asked to end (SIGTERM); an interrupt, so that `except Exception` lets it through."""
