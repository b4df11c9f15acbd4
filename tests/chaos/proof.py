"""What a proof is asked and what it answers; finding the proofs, running them, and one table of their answers."""

from __future__ import annotations

import importlib
import pkgutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from tests.chaos import proofs


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to run a proof: the seed of everything random, and the share of the full numbers (1.0) to do."""

    seed: int
    scale: float = 1.0

    def count(self, full: int, *, least: int = 1) -> int:
        """So many of what would be `full` at full scale."""
        return max(least, round(full * self.scale))


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The answer: whether the target was met, what was measured, and how often each situation really occurred."""

    met: bool
    measured: str
    occurred: Mapping[str, int] = field(default_factory=dict)
    skipped: str = ""
    """Why nothing could be shown here; empty when it was tried."""


class ProofModule(Protocol):
    """A module of `tests.chaos.proofs`."""

    TARGET: str

    def prove(self, options: Options) -> Proof:
        """Measure."""


def names() -> list[str]:
    """The short names of all proofs, in order: n03, n04 …"""
    return sorted(module.name.partition("_")[0] for module in pkgutil.iter_modules(proofs.__path__))


def find(name: str) -> ProofModule:
    """The module of a short name; raises KeyError."""
    for module in pkgutil.iter_modules(proofs.__path__):
        if module.name.partition("_")[0] == name:
            found: ProofModule = importlib.import_module(f"tests.chaos.proofs.{module.name}")  # type: ignore[assignment]
            return found
    raise KeyError(name)


def run(name: str, options: Options) -> tuple[str, Proof]:
    """Run one proof; gives its row for the table, and its answer."""
    module = find(name)
    began = time.monotonic()
    proof = module.prove(options)
    verdict = f"SKIPPED: {proof.skipped}" if proof.skipped else "met" if proof.met else "NOT MET"
    seen = ", ".join(f"{count} {what}" for what, count in proof.occurred.items())
    row = f"{name}  {verdict}  ({time.monotonic() - began:.0f} s, seed {options.seed})\n"
    row += (
        f"     target    {module.TARGET}\n     measured  {proof.measured}\n     occurred  {seen or 'nothing counted'}"
    )
    return row, proof
