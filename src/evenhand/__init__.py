"""Evenhand: inference-time fairness serving."""
