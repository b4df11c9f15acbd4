"""The names of all Redis keys of floor 0, and which names of queues and limits are accepted."""

import re
import uuid
from collections.abc import Iterable

from queues.errors import InvalidLabel, InvalidName, InvalidValue

DEFAULT_PREFIX = "{headgate}"
DEFAULT_QUEUE = "default"
SCHEDULER = "scheduler"
"""The name under which the scheduler is woken; no agent may have it."""

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,127}")
LABEL = re.compile(r"[a-z0-9][a-z0-9._/-]{0,62}(=[A-Za-z0-9._/-]{1,63})?")
LIMIT = re.compile(r"[a-z]+:[^\n|]{1,200}")
FIELD = re.compile(r"[a-z][a-z_]{0,60}")
MOST_LABELS = 16
PREFIX = re.compile(r"\{[A-Za-z0-9_.:-]+\}[A-Za-z0-9_.:-]*")

ALWAYS_THERE = ("schema", "state", "queue", "due", "created", "moves", "attempt", "token", "claim", "agent", "reason")
SOMETIMES_THERE = ("id", "state_name", "started", "ended", "limits", "held", "groups", "requires")
ONCE_ENDED = ("past", "group_numbers")
ABOUT_LOSSES = ("on_lost", "max_lost", "lost", "lost_alone", "beside", "alone")
RESERVED_FIELDS = frozenset(
    {*ALWAYS_THERE, *SOMETIMES_THERE, *ABOUT_LOSSES, *ONCE_ENDED, "failures", "parked", "cancel_requested", "settled"}
    | {"needs"}
)
"""The fields of a run's record that belong to floor 0."""

QUEUE_NAMESPACE = uuid.UUID("6f0e4a58-2f4c-5d0b-9d0f-1c6f3a3f7e21")

RQ_JOB_DATA = b"\x94\xb1headgate.flow-run\xc0\x90\x80"
"""What every rq job of ours carries: msgpack of ("headgate.flow-run", None, [], {}), which nothing can resolve."""


def queue_id(name: str) -> str:
    """Derive the id of a work queue from its name, so that it is the same wherever it is computed."""
    return str(uuid.uuid5(QUEUE_NAMESPACE, name))


def queue_limit(queue: str) -> str:
    """Name the limit that a work queue's own slots are counted under."""
    return f"queue:{queue}"


def line_of(queue: str, requires: Iterable[str]) -> str:
    """Name the line of a queue in which runs stand that require these labels, as lines.lua does."""
    return "+".join([queue, *requires])


def queue_of(line: str) -> str:
    """Name the queue that a line belongs to."""
    return line.partition("+")[0]


def checked_labels(labels: Iterable[str]) -> tuple[str, ...]:
    """Give labels back sorted, each once, or raise InvalidLabel."""
    found = tuple(sorted(set(labels)))
    for label in found:
        if not LABEL.fullmatch(label):
            raise InvalidLabel(label)
    if len(found) > MOST_LABELS:
        raise InvalidValue("labels", f"at most {MOST_LABELS}", len(found))
    return found


def checked_name(kind: str, name: str) -> str:
    """Give the name back, or raise InvalidName; `kind` is what the user calls it: "work queue", "agent" …"""
    if not NAME.fullmatch(name):
        raise InvalidName(kind, name)
    return name


class Keys:
    """Spells every key of one installation; all share the prefix, hence one hash slot."""

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        self.prefix = prefix
        self.queues = f"{prefix}:queues"
        self.limits = f"{prefix}:limits"
        self.reverts = f"{prefix}:reverts"
        """Sorted set: limit that was changed for a time -> when that is over."""
        self.reverts_to = f"{prefix}:reverts_to"
        """Hash: limit that was changed for a time -> `<its number for that time> <the one before>`, empty for none."""
        self.leases = f"{prefix}:leases"
        self.delayed = f"{prefix}:delayed"
        self.agents = f"{prefix}:agents"
        self.listened = f"{prefix}:listened"
        """Hash: work queue -> `<when> <agent> <what it was asked, or -> <host>` of the agent that left it last."""
        self.token = f"{prefix}:token"
        self.events = f"{prefix}:events"
        self.changes = f"{prefix}:changes"
        self.recovery = f"{prefix}:recovery"
        self.alone = f"{prefix}:alone"
        """Hash: run that is to be tried alone -> `<first met> <agent that empties itself for it> <until when>`."""
        self.group_numbers = f"{prefix}:group_numbers"
        """Hash: index group -> the number by which records that have ended name it."""
        self.group_names = f"{prefix}:group_names"
        """Hash: that number -> index group."""
        self.server = f"{prefix}:server"
        self.counters = f"{prefix}:counters"
        """Hash: what should not happen -> how often it did."""
        self.counted = f"{prefix}:counted"
        """Hash: what should not happen -> when it did last."""
        self.rq = f"{prefix}:rq"
        self.rq_queues = f"{prefix}:rq:queues"

    def run(self, run_id: str) -> str:
        """Name the hash that is the record of a run."""
        return f"{self.prefix}:run:{run_id}"

    def data(self, run_id: str) -> str:
        """Name the hash of what is too big for the record: parameters, result, error."""
        return f"{self.prefix}:data:{run_id}"

    def logs(self, run_id: str) -> str:
        """Name the stream of a run's log lines."""
        return f"{self.prefix}:logs:{run_id}"

    def tasks(self, run_id: str) -> str:
        """Name the hash of a run's task runs."""
        return f"{self.prefix}:tasks:{run_id}"

    def state(self, state: str) -> str:
        """Name the sorted set of all runs in a state, by time of creation."""
        return f"{self.prefix}:runs:{state}"

    def group(self, group: str) -> str:
        """Name the sorted set of the runs of an index group that have not ended, by time of creation."""
        return f"{self.prefix}:group:{group}|LIVE"

    def group_before(self, group: str) -> str:
        """Name the sorted set in which versions before keep all runs of an index group, by time of creation."""
        return f"{self.prefix}:group:{group}"

    def part(self, group: str, part: str) -> str:
        """Name the sorted set of the runs of a group that ended alike: `<STATE>|<queue>|<digest of their tags>`."""
        return f"{self.prefix}:group:{group}|{part}"

    def parts(self, group: str) -> str:
        """Name the hash part -> tags, one a line, of the parts in which runs of a group have ended."""
        return f"{self.prefix}:parts:{group}"

    def ends(self, state: str) -> str:
        """Name the hash hour -> when the last run that was made in it ended in a state; hours since the epoch."""
        return f"{self.prefix}:ends:{state}"

    def queue(self, name: str) -> str:
        """Name the hash of a work queue's settings."""
        return f"{self.prefix}:queue:{name}"

    def lines(self, queue: str) -> str:
        """Name the set of the lines of a queue in which runs stand that require labels."""
        return f"{self.prefix}:lines:{queue}"

    def waiting(self, line: str) -> str:
        """Name the sorted set of runs that agents claim from, by due time; a queue's own line is called as it is."""
        return f"{self.prefix}:waiting:{line}"

    def parked(self, limit: str, line: str) -> str:
        """Name the sorted set of runs of a line that wait for a full limit, by due time."""
        return f"{self.prefix}:parked:{limit}|{line}"

    def parked_lines(self, limit: str) -> str:
        """Name the set of lines that have runs parked under a limit."""
        return f"{self.prefix}:parked:{limit}"

    def parked_limits(self, line: str) -> str:
        """Name the set of limits that runs of a line are parked under."""
        return f"{self.prefix}:parked_in:{line}"

    def holders(self, limit: str) -> str:
        """Name the sorted set of runs that hold a slot of a limit, by the time they took it."""
        return f"{self.prefix}:holders:{limit}"

    def agent(self, name: str) -> str:
        """Name the hash that describes an agent."""
        return f"{self.prefix}:agent:{name}"

    def agent_runs(self, name: str) -> str:
        """Name the set of runs that an agent holds."""
        return f"{self.prefix}:agentruns:{name}"

    def idle(self, queue: str) -> str:
        """Name the sorted set of agents that wait for work on a queue, by how long; with + those that have labels."""
        return f"{self.prefix}:idle:{queue}"

    def idling(self, agent: str) -> str:
        """Name the string that lists where an agent is idle; it expires when the agent stops asking."""
        return f"{self.prefix}:idling:{agent}"

    def wake(self, name: str) -> str:
        """Name the list that an agent, or the scheduler, blocks on until something is there for it."""
        return f"{self.prefix}:wake:{name}"

    def request(self, request_id: str) -> str:
        """Name the string that keeps the answer of a call for those who send it again."""
        return f"{self.prefix}:request:{request_id}"

    def rq_queue(self, line: str) -> str:
        """Name rq's list of a line."""
        return f"{self.prefix}:rq:queue:{line}"

    def rq_job(self, run_id: str) -> str:
        """Name rq's hash of a job."""
        return f"{self.prefix}:rq:job:{run_id}"

    def rq_commands(self, agent: str) -> str:
        """Name the channel on which rq tools send commands to a worker."""
        return f"{self.prefix}:rq:pubsub:{agent}"
