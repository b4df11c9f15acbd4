"""The SDK out of one piece of memory: what a flow's process loads of it, and who else may touch it."""

import json
import os
from collections.abc import Iterator
from importlib.util import MAGIC_NUMBER
from pathlib import Path
from typing import Any

import pytest

from agent.runners.pack import MODULES, Pack
from tests.support.flow_process import run_flow

LOADED = """
import sys
from orchestrator import flow
@flow
def main():
    ours = [name for name in sys.modules if name.partition(".")[0] == "orchestrator"]
    import inspect, os
    from orchestrator.sdk import flow_runs
    spec = flow_runs.__spec__
    return {
        "ours": ours, "loader": type(spec.loader).__name__, "origin": spec.origin, "package": flow_runs.__package__,
        "source": inspect.getsource(flow_runs.attempt).splitlines()[0], "descriptors": os.listdir("/proc/self/fd"),
    }
"""


@pytest.fixture
def pack() -> Iterator[Pack]:
    made = Pack(above=5)
    yield made
    os.close(made.fd)


def told(folder: Path, pack: Pack | None) -> dict[str, Any]:
    """What the flow saw."""
    path = folder / "loaded.py"
    path.write_text(LOADED)
    result, child = run_flow(path, pack=pack)
    assert result["state"] == "COMPLETED", (result, child.errors())
    found: dict[str, Any] = json.loads(result["value"])
    return found


def test_out_of_a_pack_they_are_the_same_modules(tmp_path: Path, pack: Pack) -> None:
    packed, plain = told(tmp_path, pack), told(tmp_path, None)
    assert packed["ours"] == list(MODULES)
    assert set(plain["ours"]) < set(MODULES)
    assert len(packed.pop("descriptors")) == len(plain.pop("descriptors"))
    del packed["ours"], plain["ours"]
    assert packed == plain


def test_a_pack_of_another_interpreter_is_passed_over(tmp_path: Path, pack: Pack) -> None:
    other = os.memfd_create("other", 0)
    os.write(other, bytes(reversed(MAGIC_NUMBER)) + os.pread(pack.fd, pack.size, 0)[4:])
    plain, pack_fd = told(tmp_path, None), pack.fd
    pack.fd = other
    assert set(told(tmp_path, pack)["ours"]) == set(plain["ours"])
    pack.fd = pack_fd
    os.close(other)


def test_nobody_who_has_the_pack_can_change_it(pack: Pack) -> None:
    before = os.pread(pack.fd, pack.size, 0)
    for change in (lambda: os.pwrite(pack.fd, b"x", 0), lambda: os.ftruncate(pack.fd, 0)):
        with pytest.raises(PermissionError):
            change()
    with pytest.raises(PermissionError), open(f"/proc/self/fd/{pack.fd}", "r+b", buffering=0) as file:
        file.write(b"x")
    assert os.pread(pack.fd, pack.size, 0) == before and before[:4] == MAGIC_NUMBER
