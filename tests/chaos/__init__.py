"""Faults on purpose: histories of what happened under them, the checker that judges those, proofs of the targets."""
