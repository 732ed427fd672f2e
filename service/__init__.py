"""The running API. Needs no torch."""
