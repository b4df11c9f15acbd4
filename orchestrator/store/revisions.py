"""The kept revisions of deployments' specs: read, kept in memory, searched for digests, trimmed."""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from orchestrator.keys import StoreKeys
from orchestrator.store.specs import LARGEST_SPEC, Spec, checked_spec
from queues.errors import BadPayload, HeadgateQueueError
from queues.scripts import Scripts

SPECS_CACHED = 1_000
DIGEST = re.compile(rb"[0-9a-f]{64}")
SPEC_GONE = BadPayload("its deployment's spec is gone")


class Revisions:
    """Reads specs by deployment and revision; those that it has read it keeps, since a revision never changes."""

    def __init__(self, scripts: Scripts, keys: StoreKeys) -> None:
        self._scripts = scripts
        self._keys = keys
        self._specs: OrderedDict[tuple[str, int], Spec] = OrderedDict()

    def read(self, wanted: Sequence[tuple[str, int]]) -> list[Spec | HeadgateQueueError | None]:
        """Read revisions of specs, each (deployment id, revision); those read before are kept here."""
        found: dict[tuple[str, int], Spec] = {key: self._specs[key] for key in wanted if key in self._specs}
        fresh = self._fetch([key for key in dict.fromkeys(wanted) if key not in found])
        found |= {key: spec for key, spec in fresh.items() if not isinstance(spec, HeadgateQueueError)}
        self._keep(found)
        return [found.get(key, fresh.get(key)) for key in wanted]

    def _keep(self, specs: Mapping[tuple[str, int], Spec]) -> None:
        for key, spec in specs.items():
            self._specs[key] = spec
            self._specs.move_to_end(key)
        while len(self._specs) > SPECS_CACHED:
            self._specs.popitem(last=False)

    def _fetch(self, wanted: Sequence[tuple[str, int]]) -> dict[tuple[str, int], Spec | HeadgateQueueError]:
        """Read specs from Redis, their sizes first: what is larger than any spec is not read at all."""

        def ask(what: str, keys: Sequence[tuple[str, int]]) -> list[Any]:
            def read(pipe: Any) -> None:
                for deployment_id, revision in keys:
                    getattr(pipe, what)(self._keys.specs(deployment_id), str(revision))

            return self._scripts.ask_many(read) if keys else []

        sizes = dict(zip(wanted, ask("hstrlen", wanted), strict=True))
        fit = [key for key, size in sizes.items() if 0 < size <= LARGEST_SPEC]
        found: dict[tuple[str, int], Spec | HeadgateQueueError] = {
            key: too_large(size) for key, size in sizes.items() if size > LARGEST_SPEC
        }
        return found | {key: checked_spec(text) for key, text in zip(fit, ask("hget", fit), strict=True) if text}

    def given(self, deployment_id: str, raw: Mapping[str, Any]) -> Spec | HeadgateQueueError:
        """The spec of a deployment's revision as the script due_schedules gives it, or what is wrong with it."""
        key = (deployment_id, revision_in(raw))
        if key in self._specs:
            return self._specs[key]
        text = raw.get("spec")
        if text is None:
            return too_large(raw["size"]) if raw["size"] else SPEC_GONE
        found = checked_spec(text.encode("utf-8", "surrogateescape"))
        if not isinstance(found, HeadgateQueueError):
            self._keep({key: found})
        return found

    def forget(self) -> None:
        """Keep nothing of what was read."""
        self._specs.clear()

    def digests_named(self, deployment_ids: Sequence[str]) -> frozenset[str]:
        """Every digest that a kept revision names, whatever it is of: specs of newer versions are no exception."""

        def read(pipe: Any) -> None:
            for deployment_id in deployment_ids:
                pipe.hvals(self._keys.specs(deployment_id))

        found = self._scripts.ask_many(read) if deployment_ids else []
        return frozenset(digest for texts in found for text in texts for digest in digests_in(text))

    def with_more(self, deployment_ids: Sequence[str], than: int) -> list[str]:
        """Those of which more revisions are kept; each is two fields, its spec and when it was applied."""

        def read(pipe: Any) -> None:
            for deployment_id in deployment_ids:
                pipe.hlen(self._keys.specs(deployment_id))

        sizes = self._scripts.ask_many(read) if deployment_ids else []
        return [one for one, size in zip(deployment_ids, sizes, strict=True) if size > 2 * than]

    def trim(self, deployment_id: str, *, needed_since_us: int, keep: int) -> int:
        """Remove revisions that were replaced before a time, but for the newest `keep`; gives how many were removed."""
        key = self._keys.specs(deployment_id)
        raw = self._scripts.ask(lambda client: client.hgetall(key))
        applied = sorted((int(name[3:]), int(at)) for name, at in raw.items() if name.startswith(b"at:"))
        old = [revision for (revision, _), (_, replaced_us) in pairwise(applied) if replaced_us < needed_since_us][
            : max(len(applied) - keep, 0)
        ]
        if old:
            fields = [name for revision in old for name in (str(revision), f"at:{revision}")]
            self._scripts.ask(lambda client: client.hdel(key, *fields))
        return len(old)


def digests_in(text: bytes) -> list[str]:
    """Every digest that a spec names, whatever it is of."""
    return [digest.decode() for digest in DIGEST.findall(text)]


def too_large(size: int) -> BadPayload:
    """What is wrong with a spec of so many bytes."""
    return BadPayload(f"its deployment's spec has {size} bytes, allowed are {LARGEST_SPEC}")


def revision_in(raw: Mapping[str, str]) -> int:
    """The revision that a deployment's hash names; 0, which has no spec, when it names none."""
    text = raw.get("revision", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else 0
