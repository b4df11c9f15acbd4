"""A laptop deploys, two machines run: own networks, own disks, nothing shared, and one is cut off in mid-run."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from queues.states import State
from tests.lifecycle.worksite import Site
from tests.support.network_namespaces import Namespace, why_not
from tests.support.redis_server import RedisServer
from tests.support.sentinels import free_port
from tests.support.waiting import wait_until
from tests.support.wheels import make_wheel

FLOW = """
import os, socket, time
from orchestrator import flow
from orchestrator.deployments import DeploymentSpec
from orchestrator.flow_runners import SubprocessFlowRunner
from aid.words import WORD

LINES = ["--no-index", "--find-links http://${{PIP_MIRROR}}/", "alpha==1.0"]

@flow
def main():
    import alpha
    print("works", WORD, alpha.VERSION, open("config.yml").read(), os.path.exists({laptop!r}))
    while not os.path.exists({gate!r}):
        time.sleep(0.05)
    print("done")

DeploymentSpec(flow=main, name="d", flow_runner=SubprocessFlowRunner(requirements=LINES))
"""
WITHOUT = 'for folder in {folders}; do mount -t tmpfs none "$folder" || exit 1; done; exec "$@"'
"""A shell script that puts empty disks over folders, and becomes its arguments."""


class Silent(SimpleHTTPRequestHandler):
    """Serves files, and says nothing."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def mirror(folder: Path) -> Iterator[int]:
    """A package mirror, as a company has one: the port on which these wheels are served."""
    with ThreadingHTTPServer(("0.0.0.0", 0), partial(Silent, directory=str(folder))) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not()), reason=f"NOT TESTED without network namespaces: {why_not()}")
def test_what_a_laptop_deployed_runs_on_either_of_two_machines_and_goes_on_when_one_is_cut_off(tmp_path: Path) -> None:
    laptop, home, wheels, gate = (tmp_path / name for name in ("laptop", "home", "wheels", "gate"))
    for folder in (laptop / "aid", home):
        folder.mkdir(parents=True)
    make_wheel(wheels, "alpha", "1.0")
    (laptop / "main.py").write_text(FLOW.format(laptop=str(laptop / "main.py"), gate=str(gate)))
    (laptop / "aid" / "words.py").write_text("WORD = 'brisk'")
    (laptop / "config.yml").write_text("a: 1")
    port = free_port()
    listens = {"port": str(port), "bind": "0.0.0.0", "protected-mode": "no"}
    with contextlib.ExitStack() as stack:
        redis = stack.enter_context(RedisServer(append_only=True, options=listens))
        machines = {name: stack.enter_context(Namespace()) for name in ("a1", "a2")}
        served = stack.enter_context(mirror(wheels))
        site = Site(redis, tmp_path)
        stack.callback(site.close)
        command = [sys.executable, "-m", "orchestrator", "deployment", "create", "main.py"]
        subprocess.run(command, cwd=laptop, check=True, env={**os.environ, "HEADGATE_REDIS_URL": redis.url})
        script = WITHOUT.format(folders=f"{laptop} {home} {wheels}")
        for name, machine in machines.items():
            variables = [f"PIP_MIRROR={machine.outside}:{served}", f"PIP_TRUSTED_HOST={machine.outside}"]
            within = machine.command(["env", *variables, "unshare", "--mount", "sh", "-c", script, "sh"])
            site.agent(name, within=within, redis_url=f"redis://{machine.outside}:{port}")
        (run_id,) = site.submit()
        first = site.until(run_id, State.RUNNING, State.FAILED, within=60)
        assert first.state == State.RUNNING and first.agent, site.told(run_id)
        wait_until(lambda: len(site.lines(run_id)) == 1, 10, message=lambda: site.told(run_id))
        machines[first.agent].cut()
        (other,) = set(machines) - {first.agent}

        def runs_elsewhere() -> bool:
            site.expire()
            return site.run(run_id).agent == other and len(site.lines(run_id)) == 2

        wait_until(runs_elsewhere, 60, every=0.1, message=lambda: site.told(run_id))
        gate.touch()
        ended = site.until(run_id, State.COMPLETED, State.FAILED, within=30)
        assert (ended.state, ended.agent, ended.attempt, ended.lost) == (State.COMPLETED, other, 2, 1)
        assert site.lines(run_id) == ["works brisk 1.0 a: 1 False"] * 2 + ["done"], site.told(run_id)
        assert not any(home.iterdir()), "what an agent keeps is on its own disk"
