"""The process of one preparation: told over its socket what is needed, it brings that here, and ends.

A process of its own, started by `agent.workshop`, because it may take minutes, start others (git, pip), take memory, or
die of what it unpacks: none of this is to touch the loop. Its environment holds no secret; where Redis is comes over
the socket, once nobody else can read this process's memory any more. It dies with the agent, and so does all it starts.
"""

import gc
import os
import signal
import sys
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from agent.code.bundle import BundleNeed
from agent.errors import PreparationFailed
from agent.kernel import hide_memory
from agent.messages import Fault
from agent.options import AgentOptions
from agent.provision import providers_of
from orchestrator.process import life_pipe
from orchestrator.process.frames import VERSION, read_frame, write_frame
from queues.errors import HeadgateQueueError, RedisFailure

TELL_SECONDS = 0.1
"""How often it says at most what it is doing."""

NICE = 10
SWIFT_SECONDS = 0.25
"""Processor time after which a bundle yields to runs: most are here by then, and a run waits for each of them."""


def main(channel: int, life: int) -> NoReturn:
    """Prepare one need and answer over the socket."""
    gc.enable()  # it was off while all this was loaded, which stays
    hide_memory()
    signal.signal(signal.SIGPROF, lambda *_: yield_to_others())
    signal.setitimer(signal.ITIMER_PROF, SWIFT_SECONDS)
    os.set_inheritable(channel, False)
    life_pipe.hold(life)
    write_frame(channel, "hello", {"version": VERSION})
    received = read_frame(channel)
    if received is not None:
        write_frame(channel, "prepared", outcome(channel, received[1]))
    sys.stderr.flush()
    os._exit(0)


def outcome(channel: int, job: dict[str, Any]) -> dict[str, Any]:
    """Do it: `fault` is None, or the name of a Fault with the `reason`."""
    told_at = [0.0]
    if job["kind"] != BundleNeed.kind:
        yield_to_others()  # at once: what it starts inherits that

    def progress(what: str) -> None:
        if time.monotonic() - told_at[0] >= TELL_SECONDS:
            told_at[0] = time.monotonic()
            write_frame(channel, "progress", {"what": what})

    try:
        providers_of(AgentOptions.of(job["options"]), os.environ).prepare(job["kind"], job["fields"], progress)
    except PreparationFailed as failed:
        return {"fault": (Fault.FINAL if failed.final else Fault.PASSING).name, "reason": str(failed)}
    except RedisFailure as failure:
        return {"fault": Fault.OUTAGE.name, "reason": str(failure)}
    except HeadgateQueueError as error:
        return {"fault": Fault.FINAL.name, "reason": str(error)}
    except OSError as error:
        return {"fault": Fault.MACHINE.name, "reason": said_of(error)}
    except Exception as error:
        traceback.print_exc()
        return {"fault": Fault.PASSING.name, "reason": f"{type(error).__name__}: {error}"}
    return {"fault": None, "reason": ""}


def yield_to_others() -> None:
    """Let this process, and all that it will start, have the processor when runs leave it."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, NICE)
    # Where the kernel shares by sessions, its own decides and not the process.
    with suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(NICE))


def said_of(error: OSError) -> str:
    """What this machine could not do, and where."""
    where = f" ({error.filename})" if error.filename else ""
    return f"{error.strerror or error}{where}"
