"""Which names sound like a secret."""

import re
from collections.abc import Mapping
from typing import Any

SECRET_NAME = re.compile(r"passwo?r?d|secret|token|api_?key|private_?key|credential", re.IGNORECASE)


def secrets(given: Mapping[str, Any]) -> list[str]:
    """The names that sound like a secret and hold text."""
    return [name for name, value in given.items() if isinstance(value, str) and value and SECRET_NAME.search(str(name))]
