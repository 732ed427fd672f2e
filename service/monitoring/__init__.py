"""Fairness of the served answers: figures, estimates, sequential evidence, and verdicts in three states."""
