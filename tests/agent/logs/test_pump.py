"""Reading what a run writes, over real sockets and pipes."""

import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from agent.logs.pump import Pump
from agent.loop import Loop
from orchestrator.process.frames import Splitter, frame
from orchestrator.store.run_logs import LOG, STDERR, STDOUT, LogRecord


class Wires:
    """A pump and the other ends of what it reads."""

    def __init__(self) -> None:
        self.loop = Loop()
        ours, self.child = socket.socketpair()
        ours.setblocking(False)
        self.records: list[LogRecord] = []
        self.frames: list[tuple[str, dict[str, Any]]] = []
        self.broken = 0
        outputs = {}
        self.ends = {}
        for number in (1, 2):
            outputs[number], self.ends[number] = os.pipe()
            os.set_blocking(outputs[number], False)
        self.pump = Pump(
            self.loop,
            channel=ours.detach(),
            outputs=outputs,
            on_records=self.records.extend,
            on_frame=lambda kind, body: self.frames.append((kind, body)),
            on_broken=self.break_,
        )

    def break_(self) -> None:
        self.broken += 1

    def texts(self) -> list[str]:
        return [record.text for record in self.records]

    def turn(self, rounds: int = 1) -> None:
        for _ in range(rounds):
            self.loop.call_at(0.0, "do not wait", lambda: None)
            self.loop.run_once()


@pytest.fixture
def wires() -> Iterator[Wires]:
    made = Wires()
    yield made
    made.pump.close()
    made.child.close()
    for fd in made.ends.values():
        os.close(fd)


def test_frames_and_lines_become_records_of_their_sources(wires: Wires) -> None:
    body = {"at": 1_800_000_000.5, "level": 30, "logger": "flow", "message": "careful", "task": "t1"}
    wires.child.sendall(frame("log", body) + frame("out", {"stream": 1, "text": "printed\nhalf"}))
    os.write(wires.ends[2], b"from below\n")
    wires.turn(2)
    logged, printed = (next(r for r in wires.records if r.source == source) for source in (LOG, STDOUT))
    assert logged == LogRecord(1_800_000_000_500_000, LOG, 30, "careful", "flow", "t1")
    assert printed.text == "printed" and next(r for r in wires.records if r.source == STDERR).text == "from below"
    wires.pump.close()
    assert wires.texts()[-1] == "half"


def test_other_frames_are_told(wires: Wires) -> None:
    wires.child.sendall(frame("hello", {"version": 1}))
    wires.turn()
    assert wires.frames == [("hello", {"version": 1})]


@pytest.mark.parametrize(
    "sent",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\1\xc1",
        frame("log", {}),
        frame("out", {"stream": 3, "text": ""}),
        frame("log", {"at": 1e300, "level": "x", "logger": "", "message": ""}),
    ],
)
def test_what_is_no_frame_breaks_the_wire_once(wires: Wires, sent: bytes) -> None:
    wires.child.sendall(sent)
    wires.turn(3)
    assert wires.broken == 1 and wires.records == []


def test_a_subprocess_comes_before_what_the_flow_says_after_it(wires: Wires) -> None:
    os.write(wires.ends[1], b"from a subprocess\n")
    wires.child.sendall(frame("out", {"stream": 1, "text": "done\n"}))
    wires.turn()
    assert wires.texts() == ["from a subprocess", "done"]


def test_a_paused_pump_reads_nothing_until_it_goes_on(wires: Wires) -> None:
    wires.pump.pause(True)
    os.write(wires.ends[1], b"wait\n")
    wires.turn(3)
    assert wires.texts() == []
    wires.pump.pause(False)
    wires.turn()
    assert wires.texts() == ["wait"]


def test_many_small_writes_are_read_in_few_reads(wires: Wires, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = 0
    read = os.read

    def counting(fd: int, size: int) -> bytes:
        nonlocal reads
        reads += 1
        return read(fd, size)

    monkeypatch.setattr(os, "read", counting)
    for number in range(500):
        os.write(wires.ends[1], f"{number}\n".encode())
        wires.turn()
    wires.pump.close()
    assert wires.texts() == [str(number) for number in range(500)] and reads < 250


def test_what_the_child_does_not_take_yet_is_sent_when_it_does(wires: Wires) -> None:
    big = frame("start", {"parameters": "x" * 2_000_000})
    wires.pump.send(big + frame("go", {}))
    splitter, kinds = Splitter(), []
    wires.child.setblocking(False)
    while "go" not in kinds:
        wires.turn()
        try:
            kinds += [kind for kind, _ in splitter.feed(wires.child.recv(1 << 20))]
        except BlockingIOError:
            continue
    assert kinds == ["start", "go"]


def test_a_child_that_is_gone_does_not_hurt_the_one_who_speaks_to_it(wires: Wires) -> None:
    wires.child.shutdown(socket.SHUT_RDWR)
    wires.child.close()
    wires.turn(2)
    wires.pump.send(frame("go", {}))
    wires.turn(2)
    assert wires.broken == 0
