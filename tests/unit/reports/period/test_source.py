"""Dates are days with the last one included, or whole hours; anything else is refused in one sentence."""

import pytest

from evenhand.reports.period.source import ReportError, ReportPeriod

HOUR = 3_600_000


def test_days_hold_the_last_one_and_hours_do_not() -> None:
    days = ReportPeriod.between("2026-03-01", "2026-03-02")
    assert len(days.hours) == 48
    assert str(days) == "2026-03-01 to 2026-03-02"
    assert str(ReportPeriod.between("2026-03-01", "2026-03-01")) == "2026-03-01"
    hours = ReportPeriod.between("2026-03-01T05:00Z", "2026-03-01T07:00Z")
    assert (hours.to_ms - hours.from_ms, len(hours.hours)) == (2 * HOUR, 2)
    assert str(hours) == "2026-03-01 05:00 to 2026-03-01 07:00"


def test_other_zones_are_told_in_utc() -> None:
    assert (
        ReportPeriod.between("2026-03-01T05:00+02:00", "2026-03-02").from_ms
        == ReportPeriod.between("2026-03-01T03:00", "2026-03-02").from_ms
    )


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("yesterday", "2026-03-01", "--from 'yesterday' is not a date"),
        ("2026-03-01", "2026-13-01", "--to '2026-13-01' is not a date"),
        ("2026-03-02", "2026-03-01", "is not before"),
        ("2026-03-01T05:30", "2026-03-02", "not a whole hour"),
        ("2026-03-01T05:00", "2026-03-01T05:00", "is not before"),
        ("0001-01-01T00:00+14:00", "2026-03-01", "is not a date"),
        ("2026-03-01", "9999-12-31", "is not a date"),
    ],
)
def test_wrong_dates_are_refused(start: str, end: str, said: str) -> None:
    with pytest.raises(ReportError, match=said.replace("(", r"\(")):
        ReportPeriod.between(start, end)
