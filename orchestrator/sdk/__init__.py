"""What a flow author writes with: flows, tasks, futures, parameters and the run logger."""
