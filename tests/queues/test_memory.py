"""What a run costs in Redis once it has ended."""

import uuid

from queues.claims import Outcome
from queues.runs import NewRun
from tests.queues.floor import Floor, proof

RUNS = 1000


def used(floor: Floor) -> int:
    """Bytes of all keys, without what does not grow with the number of runs: the event stream and kept answers.

    Not the memory of the whole server: its own tables grow at the first thousand keys, whichever test makes them.
    """
    kept = floor.redis.keys(floor.keys.request("*"))
    floor.redis.delete(floor.keys.events, *kept)
    return sum(int(floor.redis.memory_usage(key, samples=0) or 0) for key in floor.redis.scan_iter())


def test_a_finished_run_with_its_indexes_costs_at_most_800_bytes(floor: Floor) -> None:
    group = f"deployment:{uuid.uuid4()}"
    fields = {
        "name": "brisk-otter-42",
        "flow": "train",
        "deployment": "nightly",
        "revision": 3,
        "code": "8f3a2c1d9e0b",
        "tags": "ml",
    }
    floor.finish(floor.start("warm-up"))
    before = used(floor)
    ids = [str(uuid.uuid4()) for _ in range(RUNS)]
    for run_id in ids:
        new = NewRun(id=run_id, queue="default", actor="scheduler", groups=(group,), limits=(group,), fields=fields)
        floor.runs.create([new])
        floor.travel(1)
        (claim,) = floor.agent("worker-1").claim(["default"], 1, claim_id=uuid.uuid4().hex).claims
        floor.agent("worker-1").confirm(*proof(claim))
        floor.travel(400)
        floor.agent("worker-1").finish(*proof(claim), Outcome(state="COMPLETED", fields={"exit_code": 0}))
    each = (used(floor) - before) / RUNS
    assert {floor.redis.object("encoding", floor.keys.run(run_id)) for run_id in ids} <= {b"listpack", b"ziplist"}
    assert each <= 800, f"{each:.0f} bytes"
