"""The client under chaos: submits and cancels, sends again what was not answered, and notes every answer it got."""

from __future__ import annotations

import heapq
import random
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from typing import Any

from orchestrator.client import Client
from orchestrator.deployments import deployment_id
from orchestrator.store import Store
from orchestrator.store.runs import new_run
from queues.errors import RedisFailure, RefusedByState, UnknownRun
from tests.chaos import roles
from tests.chaos.world import PREFIX, SHAPES, World

MIX = {"quick": 60, "nap": 8, "gpu": 5, "flaky": 12, "target": 8, "hostile": 3, "once": 4}
"""Of a hundred runs, how many are of which deployment."""

BATCH = 4
CANCEL_AFTER = (0.0, 2.5)
STRAY_CANCELS = 0.02
"""The share of all other runs that is cancelled, too."""


class Customer(threading.Thread):
    """Keeps about `open_runs` runs going until `stop`; `finish` waits for the answer of its last call."""

    def __init__(self, world: World, *, seed: int, open_runs: int = 24, most: int = 1 << 30) -> None:
        super().__init__(name="customer", daemon=True)
        assert world.proxy is not None
        self._world, self._random = world, random.Random(seed)
        self._open_runs, self._most = open_runs, most
        url = world.proxy.door("client").url
        settings = roles.settings_of(roles.environment_of(world.folder, url, PREFIX))
        self._client = Client.from_settings(settings, actor="customer")
        self._store: Store = self._client.store
        self._over = threading.Event()
        self._cancels: list[tuple[float, str]] = []
        self.created: list[str] = []
        self.sent_again = 0
        self.verbs: Counter[str] = Counter()
        self.failure: BaseException | None = None

    def end(self) -> None:
        """Submit nothing more once the call that is being made is answered."""
        self._over.set()

    def finish(self, within: float) -> None:
        """End; raises what went wrong meanwhile."""
        self.end()
        self.join(within)
        if self.failure is not None:
            raise self.failure
        assert not self.is_alive(), "the client's last call got no answer"
        self._client.close()

    def run(self) -> None:
        """Submit and cancel until told to stop."""
        try:
            while not self._over.is_set():
                self._cancel_due()
                if self._world.scene.open < self._open_runs and len(self.created) < self._most:
                    self._submit()
                self._over.wait(0.02)
        except BaseException as failure:
            self.failure = failure

    # ---------------------------------------------------------------- calls
    def _submit(self) -> None:
        if self._random.random() < 0.2:
            name = self._pick()
            request = uuid.uuid4().hex
            made = self._call("create", request, lambda: self._client.run_deployment(ref(name), request_id=request))
            return self._made(name, [made.id])
        names = [self._pick() for _ in range(self._random.randint(1, BATCH))]
        request = uuid.uuid4().hex
        ids = [str(uuid.uuid4()) for _ in names]
        self._call("create", request, lambda: self._create(names, ids, request), ids)
        for name, run in zip(names, ids, strict=True):
            self._made(name, [run])
        return None

    def _create(self, names: list[str], ids: list[str], request: str) -> Any:
        deployments = [self._store.deployments.get(deployment_id(flow_of(name), name)) for name in names]
        runs = [
            new_run(deployment, run, actor="customer")
            for deployment, run in zip(deployments, ids, strict=True)
            if deployment is not None
        ]
        return self._store.records.create(runs, request_id=request)

    def _made(self, name: str, ids: list[str]) -> None:
        self.created += ids
        if name == "target" or self._random.random() < STRAY_CANCELS:
            at = time.monotonic() + self._random.uniform(*CANCEL_AFTER)
            heapq.heappush(self._cancels, (at, ids[0]))

    def _cancel_due(self) -> None:
        while self._cancels and self._cancels[0][0] <= time.monotonic():
            _, run = heapq.heappop(self._cancels)
            request = uuid.uuid4().hex
            self._call("cancel", request, lambda run=run, request=request: self._cancel(run, request), [run])

    def _cancel(self, run: str, request: str) -> str:
        try:
            return str(self._store.records.cancel(run, actor="customer", request_id=request).state)
        except RefusedByState:
            return "refused"
        except UnknownRun:
            return "unknown"

    def _call(self, verb: str, request: str, call: Callable[[], Any], ids: list[str] | None = None) -> Any:
        """Make a call until it is answered; what is sent again has the same request id."""
        sent, again = time.monotonic(), 0
        while True:
            try:
                answer = call()
                break
            except RedisFailure:
                again += 1
                time.sleep(0.1)
        self.sent_again += again
        self.verbs[verb] += 1
        runs = ids or [answer.id]
        told = answer if isinstance(answer, str) else "ok"
        self._world.history.add(
            "ack",
            client="customer",
            verb=verb,
            sent=sent,
            answered=time.monotonic(),
            runs=runs,
            answer=told,
            request=request,
            resent=again,
            durable=False,
        )
        return answer

    def _pick(self) -> str:
        return self._random.choices(list(MIX), weights=list(MIX.values()))[0]


def flow_of(deployment: str) -> str:
    """The flow of a deployment."""
    return str(SHAPES[deployment].get("flow", deployment))


def ref(deployment: str) -> str:
    """What people call a deployment."""
    return f"{flow_of(deployment)}/{deployment}"
