"""From what a run's processes write to numbered records in Redis."""
