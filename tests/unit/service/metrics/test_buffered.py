"""Increments come out in lots, all cells at once, and none is lost."""

import prometheus_client as prometheus
from hypothesis import given
from hypothesis import strategies as st

from evenhand.service.metrics.buffered import CounterBuffer


def make() -> tuple[prometheus.CollectorRegistry, prometheus.Counter, prometheus.Histogram]:
    registry = prometheus.CollectorRegistry()
    counter = prometheus.Counter("seen", "Seen.", ("cell",), registry=registry)
    return registry, counter, prometheus.Histogram("risk", "Risk.", registry=registry, buckets=(0.5, 1.0))


def test_nothing_comes_out_before_a_lot_is_full_and_then_everything() -> None:
    registry, counter, risk = make()
    buffer = CounterBuffer(3)
    for cell in ("a", "b"):
        buffer.add(counter, (cell,))
        buffer.observe(risk, 0.2)
        buffer.count_rows()
        buffer.flush()
    assert registry.get_sample_value("seen_total", {"cell": "a"}) is None
    assert registry.get_sample_value("risk_count") == 0
    buffer.add(counter, ("a",), 0.5)
    buffer.count_rows()
    buffer.flush()
    assert registry.get_sample_value("seen_total", {"cell": "a"}) == 1.5
    assert registry.get_sample_value("seen_total", {"cell": "b"}) == 1
    assert registry.get_sample_value("risk_count") == 2
    buffer.flush()
    assert registry.get_sample_value("seen_total", {"cell": "a"}) == 1.5


@given(st.lists(st.sampled_from("abc"), max_size=60), st.integers(1, 7), st.integers(1, 9))
def test_what_is_out_is_what_came_in_up_to_the_last_full_lot(
    cells: list[str], least: int, every: int
) -> None:
    registry, counter, _ = make()
    buffer, out = CounterBuffer(least), 0
    for place, cell in enumerate(cells):
        buffer.add(counter, (cell,))
        buffer.count_rows()
        if place % every == 0:
            buffer.flush()
            out = place + 1 if place + 1 - out >= least else out
    totals = {cell: registry.get_sample_value("seen_total", {"cell": cell}) or 0 for cell in "abc"}
    assert totals == {cell: cells[:out].count(cell) for cell in "abc"}
