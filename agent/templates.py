"""Which run is forked from which template, and when templates are made, replaced and dropped; pure.

A template is a process that has imported what a deployment's runs need. There is at most one in use per deployment,
for one key: code, interpreter, environment and variables. No run ever waits for one: what finds none starts cold.

    first run of a recipe      cold, and tells at its end what it had imported; then a template is begun
    a run of the same key      forked, once the template is ready
    a run of another key       cold; two of them in a row begin a template that replaces the one in use
    after MOST_BIRTHS forks    a successor is begun, and replaces it when it is ready
    grown, idle, died, stale   dropped; the next run of its key begins another
    a package that can not be  left out, and a template without it is begun; after MOST_LEFT_OUT of them, and when it
      preloaded                dies or can not be made, the deployment is cold for REFUSED_SECONDS, for a reason
"""

from dataclasses import dataclass, field
from typing import NamedTuple

MOST_BIRTHS = 5000
MOST_TEMPLATES = 32
"""In all: the one that was used longest ago goes first; so it does when all together take more than they may."""

IDLE_SECONDS = 900.0
REFUSED_SECONDS = 1800.0
LOOK_SECONDS = 10.0
"""How often their memory and idleness are looked at."""

GROWN_BYTES = 256 << 20
"""By how much a template may grow after it was ready."""

MOST_LEFT_OUT = 5
MOST_DEATHS = 3
"""In a row, without a run in between."""


class Recipe(NamedTuple):
    """What decides which modules runs import."""

    code: str
    interpreter: str | None
    needs: tuple[str, ...]


class Key(NamedTuple):
    """What a template is made for; runs of another key can not be forked from it."""

    recipe: Recipe
    variables: str
    """A digest of all variables of the process."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """A template to be begun."""

    number: int
    deployment: str
    names: tuple[str, ...]
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """What to do now."""

    template: int | None = None
    """The one to fork from; None starts cold."""
    learn: bool = False
    """The cold run is to tell what it imported."""
    begin: Plan | None = None
    drop: tuple[int, ...] = ()
    refused: str = ""
    """Why the deployment is cold from now on, said once."""


NOTHING = Choice()


@dataclass(kw_only=True)
class _Template:
    number: int
    key: Key
    used_at: float
    births: int = 0
    bytes: int = 0


@dataclass(kw_only=True)
class _Deployment:
    recipe: Recipe | None = None
    names: tuple[str, ...] | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    last: Key | None = None
    cold_until: float = 0.0
    deaths: int = 0
    serving: _Template | None = None
    coming: _Template | None = None


class Templates:
    """The templates of one supervisor, which may take `most_bytes` together."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._deployments: dict[str, _Deployment] = {}
        self._count = 0

    def take(self, now: float, deployment: str, key: Key) -> Choice:
        """A run is to be started."""
        known = self._deployments.setdefault(deployment, _Deployment())
        again = known.last in (None, key)
        known.last = key
        serving = known.serving
        if serving is not None and serving.key == key:
            serving.births += 1
            serving.used_at, known.deaths = now, 0
            worn = serving.births >= MOST_BIRTHS and known.coming is None
            begin, drop = self._begin(now, deployment, key) if worn else (None, ())
            return Choice(template=serving.number, begin=begin, drop=drop)
        if known.recipe != key.recipe:
            return Choice(learn=True)
        if not again or known.coming is not None or now < known.cold_until:
            return NOTHING
        begin, drop = self._begin(now, deployment, key)
        return Choice(begin=begin, drop=drop)

    def learned(self, now: float, deployment: str, key: Key, names: tuple[str, ...]) -> Choice:
        """A cold run told what it had imported."""
        known = self._deployments.setdefault(deployment, _Deployment())
        if known.recipe == key.recipe:
            return NOTHING
        known.recipe, known.names = key.recipe, names
        known.left_out.clear()
        known.cold_until, known.deaths = 0.0, 0
        if known.coming is not None:
            return NOTHING
        begin, drop = self._begin(now, deployment, key)
        return Choice(begin=begin, drop=drop)

    def ready(self, now: float, number: int, size: int) -> Choice:
        """A template has imported everything; `size` is its memory in bytes."""
        found = self._coming(number)
        if found is None:
            return Choice(drop=(number,))
        deployment, known, template = found
        known.coming = None
        if size > self._most_bytes:
            most = f"{self._most_bytes >> 20} MiB"
            text = f"its template would take {size >> 20} MiB, and all together may take {most}"
            return self._refuse(now, known, text, drop=(number,))
        before, known.serving = known.serving, template
        template.bytes, template.used_at = size, now
        drop = () if before is None else (before.number,)
        return Choice(drop=(*drop, *self._make_room(deployment, self._most_bytes - size)))

    def unfit(self, now: float, number: int, package: str, reason: str) -> Choice:
        """A template that is being made can not hold a package."""
        found = self._coming(number)
        if found is None:
            return NOTHING
        deployment, known, template = found
        known.coming = None
        if package in known.left_out or len(known.left_out) >= MOST_LEFT_OUT:
            return self._refuse(now, known, f"{package} {reason}")
        known.left_out[package] = reason
        begin, drop = self._begin(now, deployment, template.key)
        return Choice(begin=begin, drop=drop)

    def gone(self, now: float, number: int, reason: str, *, dropped: bool = False) -> Choice:
        """A template has ended by itself, or (`dropped`) is not to be used any more."""
        for known in self._deployments.values():
            coming = known.coming is not None and known.coming.number == number
            if not coming and (known.serving is None or known.serving.number != number):
                continue
            if coming:
                known.coming = None
            else:
                known.serving = None
            known.deaths += 0 if dropped else 1
            if not dropped and (coming or known.deaths >= MOST_DEATHS):
                return self._refuse(now, known, reason)
        return NOTHING

    def look(self, now: float, sizes: dict[int, int]) -> tuple[int, ...]:
        """The templates that are to be dropped for what they take or for lack of use."""
        drop = []
        for known in self._deployments.values():
            serving = known.serving
            if serving is None or serving.number not in sizes:
                continue
            if sizes[serving.number] > serving.bytes + GROWN_BYTES or now - serving.used_at >= IDLE_SECONDS:
                known.serving = None
                drop.append(serving.number)
        return tuple(drop)

    def left_out(self, deployment: str) -> dict[str, str]:
        """The packages that runs of a deployment import themselves, and why."""
        known = self._deployments.get(deployment)
        return {} if known is None else dict(known.left_out)

    def _coming(self, number: int) -> tuple[str, _Deployment, _Template] | None:
        for deployment, known in self._deployments.items():
            if known.coming is not None and known.coming.number == number:
                return deployment, known, known.coming
        return None

    def _begin(self, now: float, deployment: str, key: Key) -> tuple[Plan | None, tuple[int, ...]]:
        known = self._deployments[deployment]
        if known.names is None or known.recipe != key.recipe:
            return None, ()
        drop = self._make_room(deployment, self._most_bytes)
        self._count += 1
        known.coming = _Template(number=self._count, key=key, used_at=now)
        plan = Plan(number=self._count, deployment=deployment, names=known.names, left_out=tuple(known.left_out))
        return plan, drop

    def _make_room(self, deployment: str, most_bytes: int) -> tuple[int, ...]:
        """Drop those of other deployments that were used longest ago, until there is one less than may be."""
        others = [(known.serving, known) for name, known in self._deployments.items() if name != deployment]
        kept = sorted(
            ((serving, known) for serving, known in others if serving is not None), key=lambda one: one[0].used_at
        )
        dropped = []
        while kept and (len(kept) >= MOST_TEMPLATES or sum(serving.bytes for serving, _ in kept) > most_bytes):
            serving, known = kept.pop(0)
            known.serving = None
            dropped.append(serving.number)
        return tuple(dropped)

    def _refuse(self, now: float, known: _Deployment, reason: str, drop: tuple[int, ...] = ()) -> Choice:
        known.cold_until = now + REFUSED_SECONDS
        return Choice(refused=reason, drop=drop)
