"""A flow's own process: the wire to its agent, its entry point, and what it prints and logs."""
