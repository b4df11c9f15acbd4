"""Makes docs/cli.md and docs/operating.md: every command with its help, and what it printed on a real installation."""
