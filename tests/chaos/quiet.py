"""Proofs print one table: what the product says in their process would bury it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import TypeVar

import structlog

T = TypeVar("T")


def quietly(proof: Callable[..., T]) -> Callable[..., T]:
    """Run a proof without the events of the product on stdout."""

    @functools.wraps(proof)
    def run(*arguments: object) -> T:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
        try:
            return proof(*arguments)
        finally:
            structlog.reset_defaults()

    return run
