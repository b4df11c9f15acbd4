"""The names of the Redis keys that floor 2 adds to those of floor 0."""

from queues.keys import DEFAULT_PREFIX, Keys

KINDS = (
    *("deployments", "deployment", "revisions", "traits", "specs", "schedule", "scheduled", "skips", "due"),
    *("scheduler", "logs", "log_ages", "log_sizes", "tasks"),
    *("bundles", "bundle", "chunk", "chunk_uses", "loose_chunks"),
)
"""The first words of the keys that this floor keeps; none of them may expire."""


class StoreKeys(Keys):
    """Spells the keys of deployments, schedules, logs, code and the scheduler's own; the rest is inherited."""

    def __init__(self, prefix: str = DEFAULT_PREFIX) -> None:
        super().__init__(prefix)
        self.deployments = f"{prefix}:deployments"
        """Hash: flow/name -> deployment id."""
        self.revisions = f"{prefix}:revisions"
        """Hash: deployment id -> the last revision given; outlives the deployment, so that no number comes twice."""
        self.traits = f"{prefix}:traits"
        """Hash: deployment id -> `flow:…`, `queue:…`, `tag:…` of all its revisions; outlives it, as its runs do."""
        self.due = f"{prefix}:due"
        """Sorted set: deployment id/slug -> when the scheduler looks at this schedule next; the cursor decides."""
        self.leader = f"{prefix}:scheduler"
        """Hash: owner, until, epoch of the scheduler that leads; who: `<epoch> <since> <pid> <host>` of the last."""
        self.log_ages = f"{prefix}:log_ages"
        """Sorted set: run -> when its log grew last."""
        self.log_sizes = f"{prefix}:log_sizes"
        """Hash: run -> bytes of its log and where its head ends; `total` -> bytes of all."""

        self.bundles = f"{prefix}:bundles"
        """Sorted set: digest of a bundle -> when it was put there, or put again, last."""
        self.chunk_uses = f"{prefix}:chunk_uses"
        """Hash: digest of a piece of code -> how many bundles it is in."""
        self.loose_chunks = f"{prefix}:loose_chunks"
        """Sorted set: digest of a piece of no bundle -> when it became that, was put, or was asked for last."""

    def deployment(self, deployment_id: str) -> str:
        """Name the hash of a deployment's standing: its name, revision, pause switch, times."""
        return f"{self.prefix}:deployment:{deployment_id}"

    def specs(self, deployment_id: str) -> str:
        """Name the hash revision -> spec as JSON; `at:<revision>` says when it was applied."""
        return f"{self.prefix}:specs:{deployment_id}"

    def schedule(self, deployment_id: str) -> str:
        """Name the hash `body:<slug>` -> schedule as JSON, `cursor:<slug>` -> the last instant that was dealt with."""
        return f"{self.prefix}:schedule:{deployment_id}"

    def scheduled(self, deployment_id: str) -> str:
        """Name the sorted set `<run> <slug>` -> instant of scheduled runs that may still wait for their start."""
        return f"{self.prefix}:scheduled:{deployment_id}"

    def skips(self, deployment_id: str) -> str:
        """Name the stream of instants that made no run, as ranges with a reason."""
        return f"{self.prefix}:skips:{deployment_id}"

    def bundle(self, digest: str) -> str:
        """Name the string that holds the manifest of a bundle of code."""
        return f"{self.prefix}:bundle:{digest}"

    def chunk(self, digest: str) -> str:
        """Name the string that holds a piece of code."""
        return f"{self.prefix}:chunk:{digest}"


def deployment_limit(deployment_id: str) -> str:
    """Name the limit of a deployment's runs, which is also the index group of its runs."""
    return f"deployment:{deployment_id}"
