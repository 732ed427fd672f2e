"""Ids sort by time and do not repeat."""

import time

import pytest

from evenhand.service.ids import ALPHABET, LENGTH, ulid, ulid_ms, ulids


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


def test_many_at_once_are_in_order_and_as_random_as_single_ones() -> None:
    many = ulids(20_000)
    assert many == sorted(set(many))
    assert {len(name) for name in many} == {LENGTH}
    assert len({name[:10] for name in many}) == 1
    for place in range(10, LENGTH):  # each character is each of 32 about as often; 14 standard deviations
        counts = [sum(name[place] == character for name in many) for character in ALPHABET]
        assert max(abs(count - 625) for count in counts) < 350
