"""Loading a deployment file in its own process: what it declares, and one plain sentence for everything else."""

import os
import signal
import socket
import sys
from pathlib import Path

import psutil
import pytest

from orchestrator import deploy_file
from orchestrator.deploy_file import load
from orchestrator.errors import InvalidFlowFile
from tests.support.waiting import wait_until

HEAD = (
    "from orchestrator import flow\nfrom orchestrator.deployments import DeploymentSpec\n"
    "from orchestrator.schedules import *\n"
)
FLOW = HEAD + "@flow\ndef main(n: int = 1): ...\n"
SPEC = FLOW + "DeploymentSpec(flow=main, name='d')\n"


def refusal(tmp_path: Path, text: str | bytes, name: str = "deploy.py", **limits: float) -> InvalidFlowFile:
    """The error of a file with this text."""
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return refused(path, **limits)


def refused(path: Path, **limits: float) -> InvalidFlowFile:
    """The error of a path."""
    with pytest.raises(InvalidFlowFile) as caught:
        load(path, **limits)
    assert caught.value.exit_code == 2
    assert "Traceback" not in str(caught.value)
    return caught.value


def test_a_file_answers_its_deployments_in_order(tmp_path: Path) -> None:
    path = tmp_path / "deploy.py"
    path.write_text(SPEC + "DeploymentSpec(flow=main, name='e', schedule=CronSchedule('*/45 * * * *'))\n")
    found = load(path)
    assert [(spec["flow"], spec["name"], spec["path"]) for spec in found.specs] == [
        ("main", "d", str(path)),
        ("main", "e", str(path)),
    ]
    assert found.warnings[0].startswith("e: the minute field */45 starts anew")


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + SPEC.encode(),
        SPEC.replace("\n", "\r\n").encode(),
        b"# -*- coding: latin-1 -*-\n# \xe9t\xe9\n" + SPEC.encode(),
    ],
)
def test_a_byte_order_mark_crlf_and_declared_encodings_are_read(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "deploy.py").write_bytes(text)
    assert len(load(tmp_path / "deploy.py").specs) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (SPEC.encode("utf-16"), "is UTF-16 text"),
        (b"\x7fELF\x02\x01\x01\0\0", "is no text"),
        (b"# " + b"x" * 1_100_000, "allowed are 1,048,576"),
        (b"x = 1\ny = '\xff'\n", "is not utf-8 text: byte 11 is 0xff"),
        (b"# coding: nonsense\n", "unknown encoding"),
    ],
)
def test_what_is_no_python_text_is_refused_without_an_interpreter(tmp_path: Path, text: bytes, said: str) -> None:
    error = refusal(tmp_path, text)
    assert (error.code, said in error.message) == ("file", True), error.message


def test_what_is_no_file_is_refused_and_never_hangs(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "loop.py").symlink_to("loop.py")
    (tmp_path / "train.py").write_text(SPEC)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "s.py"))
        assert "can not be read" in refused(tmp_path / "s.py").message
    assert "is a pipe" in refused(tmp_path / "pipe.py").message
    assert "can not be read: Too many levels" in refused(tmp_path / "loop.py").message
    assert refused(tmp_path).hint == "name a Python file in it, such as train.py"
    assert refused(tmp_path / "trian.py").hint == "did you mean 'train.py'?"
    assert "is a pipe, socket or device" in refused(Path("/dev/zero")).message


@pytest.mark.parametrize(
    ("text", "code", "line", "said"),
    [
        (FLOW + "def broken(:\n    pass\n", "syntax", 6, "def broken(:\n           ^"),
        (FLOW + "  x = 1\n", "syntax", 6, "unexpected indent"),
        ("import no_such_module_anywhere\n", "import", 1, "there is no module 'no_such_module_anywhere'"),
        ("from orchestrator import no_such_name\n", "import", 1, "cannot import name 'no_such_name'"),
        (FLOW + "def f():\n    return 1 / 0\nf()\n", "load", 7, "ZeroDivisionError: division by zero\nreturn 1 / 0"),
        ("import sys\nsys.exit(3)\n", "exit", 2, "called exit(3)"),
        ("x = 1\n", "no-flow", None, "there is no flow and no DeploymentSpec in deploy.py"),
        (FLOW, "no-deployment", None, "only the flow main"),
        (FLOW + "@flow\ndef other(): ...\n", "several-flows", None, "but 2 flows: main, other"),
        (FLOW + "DeploymentSpec(flow=main(), name='d')\n", "deployment", 6, "expected flow=… or flow_location="),
        (FLOW + "DeploymentSpec(flow=main.fn, name='d')\n", "deployment", 6, "a function under @flow"),
        (FLOW + "DeploymentSpec(flow=main, name='D')\n", "deployment", 6, "expected name to be 1 to 128"),
        (FLOW + "DeploymentSpec(flow=main, name='d', schedul=1)\n", "deployment", 6, "no argument 'schedul'"),
        (FLOW + "\nCronSchedule('60 * * * *')\n", "schedule", 7, "minute field to hold 0-59"),
        (
            SPEC + "\nDeploymentSpec(flow=main, name='d')\n",
            "deployment",
            8,
            "main/d is declared twice, in lines 6 and 8",
        ),
        (
            FLOW + "DeploymentSpec(flow=main, name='d', parameters={'n': 'x'})\n",
            "parameters",
            6,
            "parameter n: expected int",
        ),
        (HEAD + "def main(): ...\nDeploymentSpec(flow=main, name='d')\n", "deployment", 5, "a function under @flow"),
        (HEAD + "DeploymentSpec(flow_location='gone.py', name='d')\n", "deployment", 4, "there is no file"),
        (
            HEAD
            + "def make():\n    @flow\n    def inner(): ...\n    return inner\nDeploymentSpec(flow=make(), name='d')\n",
            "deployment",
            8,
            "the flow inner can not be loaded again by a name",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_line(
    tmp_path: Path, text: str, code: str, line: int | None, said: str
) -> None:
    error = refusal(tmp_path, text)
    assert said in error.message
    assert (error.code, error.line, error.file) == (code, line, str(tmp_path / "deploy.py"))


def test_an_error_in_another_file_of_the_users_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "library.py").write_text("\n\ndef broken(:\n")
    error = refusal(tmp_path, "import library\n")
    assert (error.code, error.file, error.line) == ("syntax", str(tmp_path / "library.py"), 3)
    (tmp_path / "score.py").write_text("import gone\n")
    error = refusal(tmp_path, HEAD + "DeploymentSpec(flow_location='score.py', name='d')\n")
    assert (error.code, error.file, error.line) == ("import", str(tmp_path / "score.py"), 1)


def test_the_traceback_is_a_note_for_debugging(tmp_path: Path) -> None:
    error = refusal(tmp_path, "def f():\n    raise ValueError('inside')\nf()\n")
    assert "Traceback" in error.__notes__[0] and "ValueError: inside" in error.__notes__[0]


def test_a_file_that_does_not_end_is_stopped_and_told_the_limit(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    text = "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
    text += f"open({str(mark)!r}, 'w').write(str(child.pid))\n"
    error = refusal(tmp_path, text + "while True: child.wait()\n", seconds=2.5)
    assert (error.code, error.message) == ("slow", "loading the file took longer than 2.5 s")
    wait_until(lambda: not psutil.pid_exists(int(mark.read_text())) or is_zombie(int(mark.read_text())))


def is_zombie(pid: int) -> bool:
    """Whether a process is only waiting to be reaped."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("import os; os._exit(7)", "ended with exit code 7 without an answer"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL without an answer"),
        ("import os; os.closerange(3, 100)", "ended with exit code 1 without an answer"),
    ],
)
def test_a_file_that_ends_its_own_process_is_told_how(tmp_path: Path, end: str, said: str) -> None:
    assert said in refusal(tmp_path, SPEC + end + "\n").message


def test_threads_of_the_file_do_not_hold_up_the_answer(tmp_path: Path) -> None:
    path = tmp_path / "deploy.py"
    path.write_text(SPEC + "import threading\nthreading.Thread(target=threading.Event().wait).start()\n")
    assert len(load(path, seconds=20).specs) == 1


def test_what_the_file_prints_is_no_answer(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "deploy.py"
    path.write_text(SPEC + "print('{\"specs\": 1}')\nif __name__ == '__main__':\n    raise SystemExit('main ran')\n")
    assert len(load(path).specs) == 1
    out, err = capfd.readouterr()
    assert (out, '{"specs": 1}' in err) == ("", True)


def test_modules_of_the_users_may_have_any_name(tmp_path: Path) -> None:
    names = (
        "agent",
        "queues",
        "tests",
        "utils",
        "logging",
        "json",
        "typing",
        "types",
        "croniter",
        "zoneinfo",
        "calendar",
    )
    for name in names:
        (tmp_path / f"{name}.py").write_text(f"MINE = {name!r}\n")
    checks = "".join(f"import {name}\nassert {name}.MINE == {name!r}\n" for name in names if name != "types")
    path = tmp_path / "deploy.py"
    path.write_text(
        FLOW + checks + "DeploymentSpec(flow=main, name='d', schedule=CronSchedule('0 9 * * 1', 'Europe/Paris'))\n"
    )
    assert [spec["name"] for spec in load(path).specs] == ["d"]


def test_a_deployment_below_the_main_guard_is_told_to_move(tmp_path: Path) -> None:
    error = refusal(tmp_path, FLOW + "if __name__ == '__main__':\n    DeploymentSpec(flow=main, name='d')\n")
    assert (error.code, "move it to the top level" in str(error.hint)) == ("no-deployment", True)


@pytest.mark.parametrize("name", ["orchestrator.py", "logging.py", "my flow.py", "été.py", "__main__.py"])
def test_the_file_itself_may_have_any_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(SPEC)
    assert [spec["path"] for spec in load(tmp_path / name).specs] == [str(tmp_path / name)]


def test_only_deployments_of_the_file_itself_are_created(tmp_path: Path) -> None:
    (tmp_path / "other.py").write_text(SPEC + "def make(flow, name): return DeploymentSpec(flow=flow, name=name)\n")
    path = tmp_path / "deploy.py"
    path.write_text("from other import main, make\nmake(main, 'mine')\n")
    found = load(path)
    assert [(spec["name"], spec["path"], spec["source_line"]) for spec in found.specs] == [("mine", str(path), 2)]
    assert "other.py, which this file imports" in found.warnings[0]
    path.write_text("import other\n")
    assert "only in other.py, which it imports" in refused(path).message


def test_a_flow_of_an_imported_module_is_loaded_from_there(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "train.py").write_text(FLOW)
    path = tmp_path / "deploy.py"
    path.write_text(HEAD + "import flows.train\nDeploymentSpec(flow=flows.train.main, name='d')\n")
    (spec,) = load(path).specs
    assert (spec["path"], spec["folder"]) == (str(tmp_path / "flows" / "train.py"), str(tmp_path))


def test_the_file_is_loaded_in_its_folder_without_our_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADGATE_REDIS_URL", "redis://:secret@host")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    path = tmp_path / "deploy.py"
    check = "import os, sys\nassert os.getcwd() == sys.path[0] == os.path.dirname(__file__), (os.getcwd(), sys.path)\n"
    path.write_text(check + "assert not [n for n in os.environ if n.startswith(('HEADGATE_', 'PYTHONPATH'))]\n" + SPEC)
    assert len(load(path).specs) == 1


def test_a_secret_in_clear_is_a_warning(tmp_path: Path) -> None:
    text = HEAD + "@flow\ndef main(db_password='', n=1): ...\n"
    text += "DeploymentSpec(flow=main, name='d', parameters={'db_password': 'hunter2', 'n': 1})\n"
    (tmp_path / "deploy.py").write_text(text)
    (warning,) = load(tmp_path / "deploy.py").warnings
    assert "parameters.db_password looks like a secret" in warning and "hunter2" not in warning


def test_an_interrupt_leaves_no_process_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(deploy_file, "received", interrupted)
    (tmp_path / "deploy.py").write_text("import time\ntime.sleep(600)\n")
    before = psutil.Process().children()
    with pytest.raises(KeyboardInterrupt):
        load(tmp_path / "deploy.py")
    assert psutil.Process().children() == before
    assert signal.getsignal(signal.SIGINT) is not None and sys.executable
