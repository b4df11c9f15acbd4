"""Starting the process of a run: what it inherits, and what stops a launch."""

import os
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.errors import LaunchFailed, NotOnThisMachine
from agent.leftovers import Mark
from agent.orders import Order
from agent.process_tree import facts
from agent.runners.subprocess_runner import LIFE, SOCKET, Launched, SubprocessRunner, start_frame
from orchestrator.process.frames import Splitter
from tests.agent.scene import an_order
from tests.support.waiting import wait_until

RUNNER = SubprocessRunner(Mark.of_this_process("install", "a1"), os.environ, host="h1", limit=4)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (tmp_path / "flow.py").write_text("from orchestrator import flow\n@flow\ndef main():\n    pass\n")
    return an_order(path=str(tmp_path / "flow.py"), folder=str(tmp_path), working_dir=str(tmp_path), function="main")


@pytest.fixture
def launched(order: Order) -> Iterator[Launched]:
    made = RUNNER.launch(order)
    yield made
    os.close(made.life)
    os.waitpid(made.pid, 0)
    for fd in (made.channel, made.stdout, made.stderr):
        os.close(fd)


def read_frames(launched: Launched) -> list[str]:
    try:
        return [kind for kind, _ in Splitter().feed(os.read(launched.channel, 65536))]
    except BlockingIOError:
        return []


def is_inheritable(fd: int) -> bool:
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def test_the_process_leads_a_session_of_its_own_and_says_hello(launched: Launched) -> None:
    found = facts(launched.pid)
    assert found is not None and (found.session, found.group) == (launched.pid, launched.pid)
    assert wait_until(lambda: read_frames(launched)) == ["hello"]


def test_it_inherits_its_five_descriptors_and_no_other(launched: Launched) -> None:
    wait_until(lambda: read_frames(launched))

    def open_there() -> set[int]:
        there = {int(fd) for fd in os.listdir(f"/proc/{launched.pid}/fd")}
        return {fd for fd in there if fd <= LIFE or not is_inheritable(fd)}

    # A file that it is just loading is soon closed; what it inherited stays, but for what this process hands on.
    wait_until(lambda: open_there() == {0, 1, 2, SOCKET, LIFE}, message=open_there)
    assert os.readlink(f"/proc/{launched.pid}/fd/0") == os.devnull


def test_it_dies_when_the_agents_end_of_the_life_pipe_closes(order: Order) -> None:
    made = RUNNER.launch(order)
    wait_until(lambda: read_frames(made))
    os.close(made.life)
    assert os.waitstatus_to_exitcode(os.waitpid(made.pid, 0)[1]) == -9
    for fd in (made.channel, made.stdout, made.stderr):
        os.close(fd)


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"problem": NotOnThisMachine("h1 has no such file")}, NotOnThisMachine, "h1 has no such file"),
        ({"interpreter": "/nowhere/python"}, LaunchFailed, "/nowhere/python on h1 can not be started"),
        ({"interpreter": "/etc/passwd"}, LaunchFailed, "/etc/passwd on h1 can not be started"),
        ({"environment": {"A=B": "c"}}, LaunchFailed, "can not be started"),
        ({"environment": {"A": "b\0c"}}, LaunchFailed, "can not be started"),
    ],
)
def test_what_stops_a_launch_is_said_and_leaves_nothing_open(
    order: Order, changes: dict[str, object], error: type[Exception], said: str
) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(error, match=said):
        RUNNER.launch(an_order(**{"path": order.path, "working_dir": order.working_dir, **changes}))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_machine_without_descriptors_gives_the_run_back(order: Order) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
    try:
        with pytest.raises(NotOnThisMachine, match="no descriptors are left"):
            RUNNER.launch(order)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    assert len(os.listdir("/proc/self/fd")) == before


def test_the_start_frame_says_where_and_what_to_run(order: Order) -> None:
    ((kind, body),) = Splitter().feed(start_frame(order))
    assert kind == "start" and body["path"] == order.path and body["working_dir"] == order.working_dir
    assert body["parameters"] == {} and body["version"] == 1 and sys.executable
