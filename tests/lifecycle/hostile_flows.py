"""Flows that do everything to outlive their slot or to harm others, and how a run of each has to end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from queues.states import State

HEAD = """
from orchestrator import flow

def escape(*, environment=None, seconds=120):
    '''A daemon: forked twice, in a session of its own, with another environment; answers once it is one.'''
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note("daemons", os.getpid())
            if environment is None:
                time.sleep(seconds)
                os._exit(0)
            os.execve("/bin/sleep", ["sleep", str(seconds)], environment)
        os._exit(0)
    os.wait()

@flow
def quiet():
    note("quiet")
    while not os.path.exists(os.path.join(NOTES, "enough")):
        time.sleep(0.02)
    return "undisturbed"
"""


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """One flow's body, and how its run has to end."""

    body: str
    state: State = State.COMPLETED
    reason: str = ""
    left: int = 0
    """Processes that it leaves behind at least."""


FLOWS = {
    "leaves_a_daemon": Hostile(body="escape()", left=1),
    "leaves_a_daemon_without_environment": Hostile(body="escape(environment={})", left=1),
    "leaves_a_daemon_that_ignores_signals": Hostile(
        body="signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGHUP, signal.SIG_IGN); escape()",
        left=1,
    ),
    "becomes_a_daemon": Hostile(
        body="escape(environment={}); os._exit(0)",
        state=State.CRASHED,
        reason="exited with code 0 without a result",
        left=1,
    ),
    "forks_without_end": Hostile(
        body="""
            for _ in range(12):
                if os.fork() == 0:
                    os.setsid()
                    note("daemons", os.getpid())
                    until = time.monotonic() + 20
                    while time.monotonic() < until:
                        if os.fork():
                            os._exit(0)
                    os._exit(0)
        """,
        left=12,
    ),
    "stops_what_it_leaves": Hostile(
        body="""
            child = subprocess.Popen(["sleep", "120"], start_new_session=True)
            note("daemons", child.pid)
            os.kill(child.pid, signal.SIGSTOP)
        """,
        left=1,
    ),
    "hides_in_a_container": Hostile(
        body="""
            command = ["unshare", "--pid", "--fork", "--mount-proc", "setsid", "sleep", "120"]
            note("daemons", subprocess.Popen(command, env={"PATH": os.environ["PATH"]}, start_new_session=True).pid)
        """,
        left=1,
    ),
    "closes_its_outputs": Hostile(body="os.close(1); os.close(2)"),
    "closes_everything": Hostile(
        body="os.closerange(3, 256); escape(environment={})",
        state=State.CRASHED,
        reason="killed by signal 9",
        left=1,
    ),
    "exits_without_a_result": Hostile(
        body="os._exit(0)", state=State.CRASHED, reason="exited with code 0 without a result"
    ),
    "crashes_the_interpreter": Hostile(
        body="import ctypes; ctypes.string_at(0)", state=State.CRASHED, reason="killed by signal 11 (SIGSEGV)"
    ),
    "changes_its_folder": Hostile(body="os.chdir('/'); os.chroot('/proc')"),
    "returns_what_is_no_data": Hostile(body="return object()"),
    "returns_too_much": Hostile(body="return 'x' * 50_000_000"),
    "raises_too_much": Hostile(body="raise ValueError('x' * 50_000_000)", state=State.FAILED, reason="xxx"),
    "kills_its_own_group": Hostile(
        body="os.killpg(0, signal.SIGKILL)", state=State.CRASHED, reason="killed by signal 9"
    ),
    "speaks_nonsense_to_its_agent": Hostile(
        body="os.write(3, b'\\xff' * 64); time.sleep(120)", state=State.CRASHED, reason="broke the wire protocol"
    ),
    "announces_a_frame_without_end": Hostile(
        body="os.write(3, (1 << 30).to_bytes(4, 'big')); time.sleep(120)",
        state=State.CRASHED,
        reason="broke the wire protocol",
    ),
    "opens_all_that_it_may": Hostile(body="while True: os.dup(0)", state=State.CRASHED, reason="Too many open files"),
    "writes_what_is_no_text": Hostile(body="os.write(1, bytes(range(256)) * 4096); os.write(2, bytes(100_000))"),
    "masks_all_signals": Hostile(body="signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65)); escape()", left=1),
}


def text_of(flows: Mapping[str, Hostile], *, then: str = "") -> str:
    """A file with these flows; `then` is what each does after its deed."""
    made = HEAD
    for name, hostile in flows.items():
        body = hostile.body.replace("\n        ", "\n") if hostile.body.startswith("\n") else f"\n    {hostile.body}\n"
        made += f"\n@flow\ndef {name}():\n    note('ran', {name!r}){body}\n    {then}\n"
    return made
