"""Ids sort by time and do not repeat."""

import time

from service.ids import ALPHABET, ulid


def test_ulids_are_unique_sortable_and_well_formed() -> None:
    first = ulid()
    time.sleep(0.005)
    later = [ulid() for _ in range(1000)]
    assert len(set(later)) == 1000
    assert all(len(i) == 26 and set(i) <= set(ALPHABET) and i > first for i in later)
    assert first[0] <= "7"
