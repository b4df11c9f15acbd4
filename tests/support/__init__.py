"""What tests of every package share: a private Redis server, and waiting for a condition with a deadline."""
