"""Stores very many deployments: the same script and the same keys as one by one, many calls on their way at a time."""

from collections.abc import Iterable, Sequence
from typing import Any

import msgpack

from orchestrator.deployments import deployment_id
from orchestrator.store.deployments import Deployments, PlacedSchedule
from orchestrator.store.installation import Store
from orchestrator.store.specs import Spec
from queues.scripts import Scripts, script_text

AT_A_TIME = 200
CREATED = {"status": "created", "revision": 1, "paused": False}


class Pipelined(Scripts):
    """Scripts whose calls are gathered: each is answered at once with what it is expected to say, and checked later."""

    def __init__(self, scripts: Scripts) -> None:
        super().__init__(scripts.redis, scripts.prefix, package=scripts.package)
        self._pipe = self.redis.pipeline(transaction=False)
        self._loaded: dict[str, str] = {}

    def _run(self, verb: str, payload: bytes) -> Any:
        if verb not in self._loaded:
            self._loaded[verb] = self.redis.script_load(script_text(self.package, verb))
        self._pipe.evalsha(self._loaded[verb], 1, self.prefix, payload, self.offset_us)
        if len(self._pipe) >= AT_A_TIME:
            self.flush()
        return msgpack.packb(CREATED)

    def flush(self) -> None:
        """Send what is gathered; an AssertionError when an answer is another one."""
        answers = [msgpack.unpackb(reply) for reply in self._pipe.execute()]
        others = [answer for answer in answers if {name: answer.get(name) for name in CREATED} != CREATED]
        assert not others, f"expected every deployment to be created, got {others[0]}"


def store_deployments(store: Store, specs: Iterable[Spec], schedules: Sequence[PlacedSchedule]) -> None:
    """Store deployments that have the same schedules."""
    scripts = Pipelined(store.own_scripts)
    deployments = Deployments(scripts, store.keys)
    for spec in specs:
        deployments.put(deployment_id(spec["flow"], spec["name"]), spec, schedules, "bench")
    scripts.flush()
