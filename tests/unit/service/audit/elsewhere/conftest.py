"""Records on real databases."""

from databases import database, postgres

__all__ = ["database", "postgres"]
