"""What is watched: evidence, estimates, and the summary in three states."""
