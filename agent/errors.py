"""What can go wrong with an agent itself, and the exit code that says so; the sentence is the message."""

from queues.errors import InvalidAddress, RedisFailure, UnknownQueue


class AgentError(Exception):
    """The agent can not go on."""

    exit_code = 1


class AgentInvalid(AgentError):
    """Expected an agent's options to be valid, got one that is not."""

    exit_code = 2

    def __init__(self, message: str, *, field: str) -> None:
        super().__init__(message)
        self.field = field


class AgentNameTaken(AgentError):
    """The name is held by a living agent."""

    exit_code = 4

    def __init__(self, name: str, host: str, pid: int, *, cloned: bool = False) -> None:
        super().__init__(f"the name {name!r} is held by a living agent on {host} (pid {pid})")
        self.hint = f"give this one another --name, or stop the other with `headgate agent stop {name}`"
        if cloned:
            self.hint = f"another machine or container is called {host} too (a clone?): {self.hint}"


class NotLaunched(AgentError):
    """A run could not be started on this machine."""


class NotOnThisMachine(NotLaunched):
    """This machine lacks the code of a deployment, or room for a process: the run is given back for another agent."""


class LaunchFailed(NotLaunched):
    """This machine can not start the deployment's interpreter, or not in its folder: the run fails."""


class PreparationFailed(AgentError):
    """What a run needs could not be brought onto this machine; `final` when a new try would end the same way."""

    def __init__(self, reason: str, *, final: bool) -> None:
        super().__init__(reason)
        self.final = final


def exit_code(error: Exception) -> int:
    """The exit code of an agent that can not go on for this."""
    if isinstance(error, AgentError):
        return error.exit_code
    if isinstance(error, RedisFailure):
        return 5
    if isinstance(error, UnknownQueue):
        return 3
    return 2 if isinstance(error, InvalidAddress) else 1
