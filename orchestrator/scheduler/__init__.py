"""The process that makes due runs, frees what lost agents held, repairs and forgets."""
