"""The connections of one agent: one client per thread, since none may wait behind another's call."""

import redis

from agent.options import AgentOptions
from agent.waking import BLOCK_SECONDS
from queues.connection import connect, connect_blocking
from queues.scripts import Scripts

RENEW_TIMEOUT_SECONDS = 1.0
RENEW_SHARE_OF_LEASE = 0.2
"""The same as a share of the lease, for short ones: two tries have to fit between a renewal and the kill."""


class RedisClients:
    """Makes the clients; each connects with its first command."""

    def __init__(self, options: AgentOptions) -> None:
        self._prefix = options.prefix
        url = options.redis_url
        patience = min(RENEW_TIMEOUT_SECONDS, RENEW_SHARE_OF_LEASE * options.lease_seconds)
        self.calls = connect(url, name="headgate-agent", eager=False)
        self.renewals = connect(url, name="headgate-agent-renew", timeout=patience, eager=False)
        self.shipping = connect(url, name="headgate-agent-logs", eager=False)
        self.waking = connect_blocking(url, name="headgate-agent-wake", longest_block=BLOCK_SECONDS)

    def scripts(self, client: redis.Redis) -> Scripts:
        """The verbs of floor 0 on one of the clients."""
        return Scripts(client, self._prefix)
