"""Pulls flow runs from work queues, launches each in a process of its own, and supervises it to its end."""
