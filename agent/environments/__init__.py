"""Environments of their own for deployments that say which packages they require: built once, kept, bounded."""
