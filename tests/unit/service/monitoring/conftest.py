"""Records on real databases."""

import pytest
from databases import database, postgres
from evaluating import Shop

__all__ = ["database", "postgres"]


@pytest.fixture
def shop(database: str) -> Shop:
    made = Shop(database)
    made.store.open()
    return made
