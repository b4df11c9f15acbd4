"""A spec that an agent of the version before would run wrongly is written so that it leaves it alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.store.specs import canonical, checked_spec, written
from queues import schemas
from queues.errors import BadPayload, NewerSchema
from tests.support.deployments import spec

NEW = [
    {"source": {"kind": "bundle", "digest": "0" * 64, "files": 1, "bytes": 1}},
    {"source": {"kind": "git", "url": "https://x/y", "commit": "0" * 40, "subfolder": ""}},
    {"requirements": ["pandas"]},
    {"requires": ["gpu"]},
    {"limits": {"nice": 5}},
]


@pytest.mark.parametrize("changes", NEW)
def test_what_the_version_before_knows_nothing_of_is_newer_to_it_and_comes_back_as_it_was(changes: Any) -> None:
    text = written(spec(**changes))
    assert schemas.is_newer(json.loads(text)["schema"], known=1)
    assert checked_spec(text) == json.loads(canonical(spec(**changes)))


@pytest.mark.parametrize("changes", [{}, {"source": {"kind": "path"}}, {"requirements": [], "limits": {}}])
def test_all_else_is_written_as_ever(changes: Any) -> None:
    assert written(spec(**changes)) == canonical(spec(**changes))


def test_a_newer_one_still_is_left_alone_and_nonsense_is_told() -> None:
    assert isinstance(checked_spec(json.dumps({"schema": 3, "needs": "2.0"})), NewerSchema)
    assert isinstance(checked_spec("[1]"), BadPayload)
