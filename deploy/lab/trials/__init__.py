"""The trials, one module each: ROUNDS, and run(tale)."""
