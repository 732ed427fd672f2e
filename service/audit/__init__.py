"""The record of decisions: appended, chained by hash, and what is counted from it."""
