"""The thread that listens to rq's channel for this agent: `shutdown` drains it, `stop-job` cancels a run."""

import threading
from collections.abc import Callable

import redis
from redis.exceptions import RedisError

from agent.calls import CancelRun
from agent.messages import AskedToEnd, EndLevel, Message
from agent.retrying import Patience
from agent.waking import BLOCK_SECONDS, RETRY_SECONDS
from queues.errors import HeadgateQueueError
from queues.rq_bridge import Cancel, Drain, parse_command

ACTOR = "rq stop-job"


class RqCommands(threading.Thread):
    """Obeys what rq tools publish; what is sent while Redis is away is lost, as it is with rq's own workers."""

    def __init__(
        self,
        client: redis.Redis,
        channel: str,
        *,
        post: Callable[[Message], None],
        cancel: Callable[[CancelRun], None],
        patience: Patience,
    ) -> None:
        super().__init__(name="rq-commands", daemon=True)
        self._client = client
        self._channel = channel
        self._post = post
        self._cancel = cancel
        self._patience = patience

    def run(self) -> None:
        """Listen, and subscribe again whenever the connection was lost."""
        while not self._patience.over:
            try:
                self._listen()
            except (RedisError, HeadgateQueueError):
                self._patience.pause(RETRY_SECONDS)

    def _listen(self) -> None:
        with self._client.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(self._channel)
            while not self._patience.over:
                message = channel.get_message(timeout=BLOCK_SECONDS)
                if message is not None:
                    self._obey(message["data"])

    def _obey(self, payload: bytes) -> None:
        match parse_command(payload):
            case Drain():
                self._post(AskedToEnd(EndLevel.DRAIN))
            case Cancel(run_id=run_id):
                self._cancel(CancelRun(run_id, ACTOR))
