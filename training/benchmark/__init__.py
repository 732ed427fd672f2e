"""The same base checkpoint, the same splits, several seeds: every method side by side, in one table."""
