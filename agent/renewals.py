"""The thread that renews leases, on a client of its own with a time-out of a second and no hidden retry.

It must never wait behind anything else. A failure is tried once more at once, on a fresh connection: only that one
tells whether Redis is away (nobody can claim) or this agent is cut off (another one may).
"""

import threading
import time
from collections.abc import Callable, Mapping
from queue import SimpleQueue

from agent import events
from agent.actions import Renew
from agent.kernel import boot_time
from agent.messages import EndLevel, Message, NotRenewed, Renewed
from agent.runners.outcome import Verdict
from queues.claims import Claims, Held
from queues.claims import Renewed as Reply
from queues.errors import HeadgateQueueError, RedisUnreachable
from queues.presence import CLOCK, PREPARING

LEVELS = {"drain": EndLevel.DRAIN, "stop": EndLevel.STOP}


class Renewals(threading.Thread):
    """Takes Renew actions, posts Renewed or NotRenewed.

    `on_back` is called when Redis answers again.
    `info` goes with every heartbeat: its `instance` tells an agent whose name was taken meanwhile from its heir.
    So does the clock of this machine, which nothing goes by: `headgate doctor` compares it with that of Redis.
    """

    def __init__(
        self, claims: Claims, *, info: Mapping[str, str], post: Callable[[Message], None], on_back: Callable[[], None]
    ) -> None:
        super().__init__(name="renewals", daemon=True)
        self._claims = claims
        self._info = info
        self._post = post
        self._on_back = on_back
        self._inbox: SimpleQueue[Renew | None] = SimpleQueue()
        self._failing = self._told = False

    def put(self, action: Renew) -> None:
        """Renew now."""
        self._inbox.put(action)

    def leave(self) -> None:
        """Renew nothing more."""
        self._inbox.put(None)

    def run(self) -> None:
        """Renew whenever asked."""
        while (action := self._inbox.get()) is not None:
            self._post(self._renew(action))

    def _renew(self, action: Renew) -> Message:
        held = [
            Held(run_id=ref.run_id, token=ref.token, claim_id=ref.claim_id, confirmed=confirmed)
            for ref, confirmed in action.held
        ]
        for last in (False, True):
            sent_at = boot_time()
            try:
                info = {**self._info, CLOCK: str(time.time_ns() // 1000), PREPARING: action.preparing}
                reply = self._claims.renew(held, state=action.state, info=info)
            except HeadgateQueueError as error:
                if last:
                    return self._failed(sent_at, error)
            else:
                self._succeeded()
                return renewed(sent_at, reply)
        raise AssertionError("the last try answers or fails")

    def _succeeded(self) -> None:
        if self._failing:
            self._on_back()
        if self._told:
            events.reachable()
        self._failing = self._told = False

    def _failed(self, sent_at: float, error: HeadgateQueueError) -> NotRenewed:
        self._failing = True
        self._told = events.unreachable(what="renew", cause=str(error)) or self._told
        return NotRenewed(sent_at, isinstance(error, RedisUnreachable) and error.away)


def renewed(sent_at: float, reply: Reply) -> Renewed:
    """The answer of Redis as a message."""
    ended = [(run_id, Verdict.LOST) for run_id in reply.lost]
    ended += [(run_id, Verdict.STALLED) for run_id in reply.stalled]
    ended += [(run_id, Verdict.CANCELLED) for run_id in reply.cancelling]
    return Renewed(
        sent_at=sent_at,
        extended=frozenset(reply.deadlines),
        ended=tuple(ended),
        level=LEVELS.get(reply.request or "", EndLevel.SERVING),
        registered=reply.registered,
    )
