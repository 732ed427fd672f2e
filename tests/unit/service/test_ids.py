"""Ids sort by time and do not repeat."""

import time

import pytest

from evenhand.service.ids import ALPHABET, ulid, ulid_ms


def test_ulids_are_unique_sortable_and_well_formed() -> None:
    first = ulid()
    time.sleep(0.005)
    later = [ulid() for _ in range(1000)]
    assert len(set(later)) == 1000
    assert all(len(i) == 26 and set(i) <= set(ALPHABET) and i > first for i in later)
    assert first[0] <= "7"


def test_an_id_tells_when_it_was_made() -> None:
    before_ms = time.time_ns() // 1_000_000
    assert before_ms <= (ulid_ms(ulid()) or 0) <= time.time_ns() // 1_000_000
    assert ulid_ms("7" + "Z" * 25) == 2**48 - 1


@pytest.mark.parametrize(
    "text", ["", "0" * 25, "0" * 27, "8" + "0" * 25, "U" + "0" * 25, "0" * 25 + "u", "0" * 25 + "\0"]
)
def test_what_is_no_id_has_no_time(text: str) -> None:
    assert ulid_ms(text) is None
