"""The taxi example as a test sees it: its folder first on the path, its data in a folder of the test's own."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

TAXI = Path(__file__).resolve().parents[2] / "deploy" / "examples" / "taxi"
MODULES = ("make_data", "trip_files", "model", "train")


@pytest.fixture(scope="module")
def taxi(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """The example's modules, with three months of trips made by its own script."""
    sys.path.insert(0, str(TAXI))
    try:
        modules = SimpleNamespace(**{name: __import__(name) for name in MODULES})
        modules.folder = tmp_path_factory.mktemp("taxi")
        modules.trip_files.FOLDER = modules.folder
        modules.train.HERE = modules.folder
        modules.make_data.make(modules.folder)
        yield modules
    finally:
        sys.path.remove(str(TAXI))
        for name in MODULES:
            sys.modules.pop(name, None)
