"""Verify, prune, export, back up and migrate the record of decisions."""
