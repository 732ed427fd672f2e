"""Processes: one or several under a supervisor, and replicas on Ray Serve."""
