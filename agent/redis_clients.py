"""The connections of one agent: one client per thread, since none may wait behind another's call."""

from collections.abc import Callable

import redis

from agent.options import AgentOptions
from agent.waking import BLOCK_SECONDS
from queues.connection import connect, connect_blocking
from queues.recovery import Greeting, WindowLength
from queues.scripts import Scripts
from queues.server_check import Demands

RENEW_TIMEOUT_SECONDS = 1.0
RENEW_SHARE_OF_LEASE = 0.2
"""The same as a share of the lease, for short ones: two tries have to fit between a renewal and the kill."""


class RedisClients:
    """Makes the clients; each connects with its first command, and every connection greets (`queues.recovery`).

    `on_return` is called, in any of the threads, when Redis turns out to have been started anew.
    """

    def __init__(self, options: AgentOptions, *, on_return: Callable[[], None]) -> None:
        self._prefix = options.prefix
        url = options.redis_url
        length = WindowLength(lease_seconds=options.lease_seconds, grace_seconds=options.grace_seconds)
        demands = Demands(installation=options.installation, strict=options.strict)
        greet = Greeting(options.prefix, length=length, demands=demands, on_return=on_return)
        patience = min(RENEW_TIMEOUT_SECONDS, RENEW_SHARE_OF_LEASE * options.lease_seconds)
        self.calls = connect(url, name="headgate-agent", greet=greet, eager=False)
        self.renewals = connect(url, name="headgate-agent-renew", timeout=patience, greet=greet, eager=False)
        self.shipping = connect(url, name="headgate-agent-logs", greet=greet, eager=False)
        self.waking = connect_blocking(url, name="headgate-agent-wake", longest_block=BLOCK_SECONDS, greet=greet)
        self.rq_commands = connect_blocking(url, name="headgate-agent-rq", longest_block=BLOCK_SECONDS, greet=greet)

    def scripts(self, client: redis.Redis) -> Scripts:
        """The verbs of floor 0 on one of the clients."""
        return Scripts(client, self._prefix)

    def break_off(self) -> None:
        """Let all calls but renewals begin anew: after a cut they would wait for answers that were lost on the way."""
        for client in (self.calls, self.shipping, self.waking, self.rq_commands):
            client.break_off()
