"""What a process that is forked from may hold: modules only. Each case in a process of its own."""

import json
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import pytest

from orchestrator.process.learning import is_installed, needed

REPO = Path(__file__).parents[3]
SCRIPT = """
import json, os, sys
sys.path[:0] = {paths!r}
from orchestrator.process import preload
try:
    preload.load({names!r}, {left_out!r})
except preload.Unfit as unfit:
    said = [unfit.package, unfit.reason]
else:
    said = sorted(set({names!r}) & set(sys.modules))
os.write(1, json.dumps(said).encode() + b"\\n")
"""


def loaded(folder: Path, modules: dict[str, str], left_out: tuple[str, ...] = (), then: str = "") -> list[str]:
    """What is said after these modules were preloaded in this order."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    script = SCRIPT.format(paths=[str(folder), str(REPO)], names=list(modules), left_out=left_out) + then
    ran = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, check=True, text=True, timeout=30)
    said: list[str] = json.loads(ran.stdout.splitlines()[-1])
    return said


THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
UNFIT = [
    (THREAD, "leaves 1 thread running when it is imported"),
    ("import _thread, time\nfor _ in range(2): _thread.start_new_thread(time.sleep, (60,))\n", "leaves 2 threads"),
    ("import socket\nkept = socket.socketpair()\n", "leaves a socket open"),
    ("import select\nkept = select.epoll()\n", "leaves an eventpoll open"),
    ("import os\nkept = os.pipe()\n", "leaves a pipe open"),
    ("kept = open('/dev/full')\n", "leaves /dev/full open"),
    ("import signal\nsignal.signal(signal.SIGCHLD, signal.SIG_IGN)\n", "changes how signals are dealt with"),
]


@pytest.mark.parametrize(("text", "reason"), UNFIT)
def test_a_package_that_leaves_more_than_modules_behind_is_named(tmp_path: Path, text: str, reason: str) -> None:
    package, said = loaded(tmp_path, {"fine": "", "unfit_one": text, "after": ""})
    assert package == "unfit_one" and reason in said


def test_what_is_left_out_can_not_be_imported_or_is_harmless_stops_nothing(tmp_path: Path) -> None:
    modules = {"a": "", "b": THREAD, "c": "import nowhere", "d": "raise SystemExit", "e": "kept = open('/dev/null')"}
    assert loaded(tmp_path, modules, ("b",)) == ["a", "e"]


def test_what_was_to_be_done_at_the_end_of_the_process_is_not_done_by_its_forks(tmp_path: Path) -> None:
    text = "import atexit, logging, weakref\natexit.register(print, '[\"done\"]')\n"
    text += "class Kept: pass\nkept = Kept()\nweakref.finalize(kept, print, '[\"done\"]')\n"
    end = "import atexit\natexit._run_exitfuncs()\nsys.stdout.flush()\nos._exit(0)\n"
    assert loaded(tmp_path, {"a": text}, then=end) == ["a"]


@pytest.mark.parametrize(
    ("file", "folder", "expected"),
    [
        ("/srv/venv/lib/python3.11/site-packages/numpy/__init__.py", "/flows", True),
        ("/flows/.venv/lib/python3.11/site-packages/numpy/__init__.py", "/flows", True),
        ("/flows/model.py", "/flows", False),
        ("/other/model.py", "/flows", False),
        ("/srv/lib/site-packages/theirs/flow.py", "/srv/lib/site-packages/theirs", False),
        (json.__file__, "/flows", True),
    ],
)
def test_what_is_installed_is_told_from_what_is_the_users_own(file: str, folder: str, expected: bool) -> None:
    assert is_installed(file, folder) is expected


def test_a_users_file_whose_name_begins_like_our_package_is_his_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("orchestrator_tools", "orchestrator.invented"):
        module = ModuleType(name)
        module.__file__, module.__spec__ = str(tmp_path / f"{name}.py"), ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    found = needed(str(tmp_path))
    assert "orchestrator.invented" in found and "orchestrator_tools" not in found
