"""Processes, cores and memory: one process or several workers, and Ray Serve."""
