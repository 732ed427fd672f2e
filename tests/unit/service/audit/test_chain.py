"""Links say when anything changed."""

from hypothesis import given
from hypothesis import strategies as st

from evenhand.service.audit.chain import GENESIS, Event, encode, extend

EVENTS = [Event(f"{n:026d}", "decision", 1000 + n, encode({"n": n})) for n in range(6)]


def links(events: list[Event]) -> list[bytes]:
    return [linked.link for linked in extend(GENESIS, 0, events)]


@given(st.integers(0, 5), st.sampled_from(["id", "kind", "at_ms", "body", "subject"]))
def test_a_change_anywhere_breaks_every_link_from_there_on(place: int, field: str) -> None:
    changed = list(EVENTS)
    changed[place] = EVENTS[place]._replace(**{field: 7 if field == "at_ms" else "changed"})
    before, after = links(EVENTS), links(changed)
    assert after[:place] == before[:place]
    assert not set(after[place:]) & set(before)


def test_a_missing_and_a_swapped_record_break_links() -> None:
    assert links(EVENTS[:2] + EVENTS[3:])[2:] != links(EVENTS)[3:]
    assert links([EVENTS[1], EVENTS[0], *EVENTS[2:]])[-1] != links(EVENTS)[-1]


def test_a_chain_may_be_extended_in_lots() -> None:
    first = extend(GENESIS, 0, EVENTS[:4])
    second = extend(first[-1].link, first[-1].seq, EVENTS[4:])
    assert first + second == extend(GENESIS, 0, EVENTS)
    assert [linked.seq for linked in first + second] == [1, 2, 3, 4, 5, 6]
