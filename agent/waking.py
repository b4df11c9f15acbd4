"""The thread that waits for wake-ups on this agent's own list, on a client of its own."""

import threading
from collections.abc import Callable

import redis

from agent.messages import Message, Woken
from agent.retrying import Patience
from queues.errors import HeadgateQueueError
from queues.wakeups import wait_for_wake

BLOCK_SECONDS = 25.0
RETRY_SECONDS = 0.5
WORK = "work"
"""The word for runs that wait; every other one is about this agent or its runs."""


class Waking(threading.Thread):
    """Posts Woken for every wake-up, and once after every outage: wake-ups may have been lost meanwhile."""

    def __init__(
        self, client: redis.Redis, wake_list: str, *, post: Callable[[Message], None], patience: Patience
    ) -> None:
        super().__init__(name="waking", daemon=True)
        self._client = client
        self._list = wake_list
        self._post = post
        self._patience = patience

    def run(self) -> None:
        """Wait, tell, wait again."""
        missed = False
        while not self._patience.over:
            try:
                word = wait_for_wake(self._client, self._list, timeout=BLOCK_SECONDS)
            except HeadgateQueueError:
                missed = True
                self._patience.pause(RETRY_SECONDS)
                continue
            if word is not None or missed:
                self._post(Woken(news=word not in (None, WORK)))
            missed = False
