"""Floor 0: work queues, limits and leases on Redis, and what rq tools see of them; it never knows what a run does."""
