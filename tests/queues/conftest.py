"""`floor`: all verbs of floor 0 on an empty Redis."""

import pytest

from queues.scripts import Scripts
from tests.queues.floor import Floor


@pytest.fixture
def floor(scripts: Scripts) -> Floor:
    """All verbs of floor 0 on an empty Redis."""
    return Floor(scripts)
