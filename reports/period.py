"""From when to when a report is, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

HOUR_MS = 3_600_000
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class ReportError(ValueError):
    """No report can be made; the message says why and what to do."""


@dataclass(frozen=True)
class Period:
    """From the beginning of one hour to the beginning of another."""

    from_ms: int
    to_ms: int
    """Not part of it any more."""

    @property
    def hours(self) -> range:
        """Hours since 1970, as the hourly tables count."""
        return range(self.from_ms // HOUR_MS, self.to_ms // HOUR_MS)

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return datetime.fromtimestamp(self.from_ms / 1000, UTC)

    @property
    def end(self) -> datetime:
        """The moment after its last."""
        return datetime.fromtimestamp(self.to_ms / 1000, UTC)

    def __str__(self) -> str:
        if self.start.hour == self.end.hour == 0:
            first, last = f"{self.start:%Y-%m-%d}", f"{self.end - timedelta(days=1):%Y-%m-%d}"
            return first if first == last else f"{first} to {last}"
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


def period(start: str, end: str) -> Period:
    """Read two dates: of days the last one is included, times are whole hours.

    Raises:
        ReportError: they are no dates, or the wrong way round.
    """
    first, last = _moment("--from", start, 0), _moment("--to", end, 1)
    if first >= last:
        raise ReportError(f"--from {start} is not before --to {end}")
    return Period(*(round(moment.timestamp() * 1000) for moment in (first, last)))


def period_of(hours: range) -> Period:
    """The period that some hours since 1970 make."""
    return Period(hours.start * HOUR_MS, hours.stop * HOUR_MS)


def _moment(option: str, text: str, days: int) -> datetime:
    """A moment; so many days after it, if it is a day."""
    try:
        found = datetime.fromisoformat(text)
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        if DAY.fullmatch(text):
            found += timedelta(days=days)
    except (ValueError, OverflowError):
        raise ReportError(f"{option} {text!r} is not a date such as 2026-11-01, or 2026-11-01T08:00Z") from None
    if found.minute or found.second or found.microsecond:
        raise ReportError(f"{option} {text!r} is not a whole hour: counts are kept by the hour")
    return found
