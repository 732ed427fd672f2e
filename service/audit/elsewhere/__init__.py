"""Decisions that another system made: how they are recorded, counted, and recorded only once."""
