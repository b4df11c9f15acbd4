"""Templates and their forks: what a fork has, how it is known, what ends it."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent.brands import brand_of
from agent.leftovers import AGENT_VARIABLE, RUN_VARIABLE, Mark
from agent.orders import Order
from agent.process_tree import environment_value, facts
from agent.runners.limits import Limits
from agent.runners.subprocess_runner import LIFE, SOCKET, Launched, SubprocessRunner, start_frame
from agent.runners.warm_runner import Template, WarmRunner, said_by
from orchestrator.process.frames import Splitter, frame
from tests.agent.runners.test_subprocess_runner import is_inheritable
from tests.agent.scene import an_order
from tests.support.waiting import wait_until

MARK = Mark.of_this_process("install", "a1")
RUNNER = SubprocessRunner(MARK, os.environ, host="h1", limit=4)
WARM = WarmRunner(RUNNER)
RUN_ID = "5f1f6d0e-52cb-4b86-9d5a-000000000001"
SHADOWED = ("json", "types", "re", "enum", "ctypes", "traceback", "logging", "asyncio")
TEXT = """
import os, sys
from orchestrator import flow
ME = os.getpid()
@flow
def main():
    found = [ME == os.getpid(), os.getcwd(), os.environ.get("HEADGATE_RUN_ID"), os.environ.get("OMP_NUM_THREADS")]
    return [*found, "decimal" in sys.modules, os.getpid()]
"""


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (tmp_path / "flow.py").write_text(TEXT)
    where = {"path": str(tmp_path / "flow.py"), "folder": str(tmp_path), "working_dir": str(tmp_path)}
    return an_order(RUN_ID, function="main", warm=True, **where)


class Frames:
    """What comes over a socket of a process."""

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._splitter = Splitter()
        self.got: list[tuple[str, dict[str, Any]]] = []

    def until(self, kind: str) -> dict[str, Any]:
        """The body of the next frame of a kind."""
        return wait_until(lambda: self._read(kind), 10, message=lambda: self.got)

    def _read(self, kind: str) -> dict[str, Any] | None:
        with suppress(BlockingIOError):
            self.got += self._splitter.feed(os.read(self._channel, 65536))
        return next((body for each, body in self.got if each == kind), None)


@pytest.fixture
def template(order: Order) -> Iterator[Template]:
    made = WARM.start(order)
    frames = Frames(made.launched.channel)
    frames.until("hello")
    os.write(made.launched.channel, frame("preload", {"names": ["decimal", *SHADOWED], "left_out": []}))
    frames.until("ready")
    yield made
    os.close(made.launched.life)
    os.waitpid(made.launched.pid, 0)
    made.orders.close()
    for fd in (made.launched.channel, made.launched.stdout, made.launched.stderr):
        os.close(fd)


@pytest.fixture
def born(template: Template, order: Order) -> Iterator[Launched]:
    launched = fork(template, order)
    yield launched
    for fd in (launched.life, launched.channel, launched.stdout, launched.stderr):
        os.close(fd)


def fork(template: Template, order: Order) -> Launched:
    ours = WARM.send(template, order)
    assert ours is not None
    wait_until(lambda: said_by(ours[SOCKET]))
    launched = WARM.accept(template, ours, order)
    assert launched is not None
    return launched


def test_a_fork_leads_a_session_of_its_own_and_is_this_processs_child(born: Launched, template: Template) -> None:
    found = facts(born.pid)
    assert found is not None and (found.parent, found.session, found.group) == (os.getpid(), born.pid, born.pid)
    assert brand_of(born.pid) == born.brand != template.launched.brand
    os.kill(born.pid, 9)
    assert os.waitpid(born.pid, 0)[1] == 9


def test_the_kernel_shows_the_marks_of_a_fork(born: Launched) -> None:
    assert wait_until(lambda: environment_value(born.pid, RUN_VARIABLE) == RUN_ID)
    assert environment_value(born.pid, AGENT_VARIABLE) == str(MARK)
    os.kill(born.pid, 9)
    os.waitpid(born.pid, 0)


def test_it_has_its_five_descriptors_and_no_other(born: Launched) -> None:
    wait_until(lambda: environment_value(born.pid, RUN_VARIABLE) == RUN_ID)

    def open_there() -> set[int]:
        there = {int(fd) for fd in os.listdir(f"/proc/{born.pid}/fd")}
        return {fd for fd in there if fd <= LIFE or not is_inheritable(fd)}

    # What this process hands on to whatever it starts is not of the fork's making.
    wait_until(lambda: open_there() == {0, 1, 2, SOCKET, LIFE}, message=open_there)
    os.kill(born.pid, 9)
    os.waitpid(born.pid, 0)


def test_it_runs_the_flow_with_modules_that_are_there_and_its_own_variables(
    born: Launched, order: Order, tmp_path: Path
) -> None:
    os.write(born.channel, start_frame(order) + frame("go", {}))
    result = Frames(born.channel).until("result")
    threads = os.environ.get("OMP_NUM_THREADS")
    assert result["state"] == "COMPLETED", result
    said = f'[true,"{tmp_path}","{RUN_ID}",{"null" if threads is None else repr(threads)},true,{born.pid}]'
    assert result["value"].decode() == said
    assert os.waitpid(born.pid, 0)[1] == 0


def test_it_dies_when_its_own_life_pipe_closes_and_its_template_lives(template: Template, order: Order) -> None:
    first, second = fork(template, order), fork(template, order)
    os.close(first.life)
    assert os.waitpid(first.pid, 0)[1] == 9
    assert facts(second.pid) and facts(template.launched.pid)
    os.close(second.life)
    os.waitpid(second.pid, 0)
    for launched in (first, second):
        for fd in (launched.channel, launched.stdout, launched.stderr):
            os.close(fd)


def test_limits_are_there_before_the_fork_is_told_anything(template: Template, order: Order) -> None:
    launched = fork(template, replace(order, limits=Limits(open_files=77)))
    limits = Path(f"/proc/{launched.pid}/limits").read_text()
    assert limits.partition("Max open files")[2].split()[:2] == ["77", "77"]
    for fd in (launched.life, launched.channel, launched.stdout, launched.stderr):
        os.close(fd)
    os.waitpid(launched.pid, 0)


def test_what_says_hello_and_is_no_fork_of_the_template_is_not_believed(template: Template, order: Order) -> None:
    ours = WARM.send(template, order)
    assert ours is not None
    pid = wait_until(lambda: said_by(ours[SOCKET]))
    stranger = replace(template, launched=replace(template.launched, brand=MARK.brand(999)))
    assert WARM.accept(stranger, ours, order) is None
    for fd in ours.values():
        os.close(fd)
    assert os.waitpid(pid, 0)[0] == pid, "it ends when its socket closes: nothing of the user's has been loaded"


@pytest.mark.parametrize("name", SHADOWED)
def test_a_users_own_module_is_his_although_a_preloaded_one_has_its_name(
    template: Template, order: Order, tmp_path: Path, name: str
) -> None:
    (tmp_path / f"{name}.py").write_text("WHOSE = 'mine'\n")
    text = f"from orchestrator import flow, get_run_logger\nimport {name}\n@flow\ndef main():\n"
    Path(order.path).write_text(f"{text}    get_run_logger().info('seen')\n    return [{name}.WHOSE]\n")
    launched = fork(template, order)
    os.write(launched.channel, start_frame(order) + frame("go", {}))
    assert Frames(launched.channel).until("result")["value"] == b'["mine"]'
    assert os.waitpid(launched.pid, 0)[1] == 0
    for fd in (launched.life, launched.channel, launched.stdout, launched.stderr):
        os.close(fd)


def test_keys_differ_by_what_a_template_depends_on(order: Order) -> None:
    key = WARM.key(order)
    assert WARM.key(replace(order, parameters={"a": 1}, run_name="x", attempt=2)) == key
    for other in ({"environment": {"A": "1"}}, {"code": "flow/d@2"}, {"interpreter": "/usr/bin/python3"}):
        assert WARM.key(replace(order, **other)) != key
