"""The source of a report: the record of a service, and a period of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, Engine, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from evenhand.service.audit import tables
from evenhand.service.audit.chain import Event
from evenhand.service.audit.digest_keys import KeyFileError, Keys, load_keys
from evenhand.service.audit.maintenance.migrate import KEY, RecordRefused
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.store import append, make_engine

Plain = dict[str, Any]
HOUR_MS = 3_600_000
DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class ReportError(ValueError):
    """No report can be made; the message says why and what to do."""


@dataclass(frozen=True)
class ReportPeriod:
    """From the beginning of one hour to the beginning of another, in UTC."""

    from_ms: int
    to_ms: int
    """The first moment after it."""

    @classmethod
    def between(cls, start: str, end: str) -> ReportPeriod:
        """Read two dates: of days the last one is included, times are whole hours.

        Raises:
            ReportError: they are no dates, or the wrong way round.
        """
        first, last = _moment("--from", start, 0), _moment("--to", end, 1)
        if first >= last:
            raise ReportError(f"--from {start} is not before --to {end}")
        return cls(*(round(moment.timestamp() * 1000) for moment in (first, last)))

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
        """The first moment after it."""
        return datetime.fromtimestamp(self.to_ms / 1000, UTC)

    def facts(self) -> dict[str, str]:
        """``from`` and ``to``, as reports and events have them."""
        return {
            name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in (("from", self.start), ("to", self.end))
        }

    def __str__(self) -> str:
        if self.start.hour == self.end.hour == 0:
            first, last = f"{self.start:%Y-%m-%d}", f"{self.end - timedelta(days=1):%Y-%m-%d}"
            return first if first == last else f"{first} to {last}"
        return f"{self.start:%Y-%m-%d %H:%M} to {self.end:%Y-%m-%d %H:%M}"


def _moment(option: str, text: str, days: int) -> datetime:
    """A moment; so many days after it, if it is a day."""
    try:
        moment = datetime.fromisoformat(text)
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        if DAY.fullmatch(text):
            moment += timedelta(days=days)
    except (ValueError, OverflowError):
        raise ReportError(
            f"{option} {text!r} is not a date such as 2026-11-01, or 2026-11-01T08:00Z"
        ) from None
    if moment.minute or moment.second or moment.microsecond:
        raise ReportError(f"{option} {text!r} is not a whole hour: counts are kept by the hour")
    return moment


@dataclass(frozen=True)
class RecordSource:
    """A record, opened to make a report of it."""

    engine: Engine
    keys: Keys | None
    """None where the record's key is not at hand: then declared groups cannot be looked up by decision."""
    configurations: dict[str, Plain]
    """Configurations of decisions by their hash."""

    def of_model(self, model: str) -> dict[str, Plain]:
        """The configurations of one model."""
        return {name: body for name, body in self.configurations.items() if body["model"] == model}

    def note(self, event: Event) -> None:
        """Append an event to the record.

        Raises:
            ReportError: it cannot be written.
        """
        try:
            with self.engine.execution_options(writes=True).begin() as connection:
                append(connection, RecordBatch([event]))
        except SQLAlchemyError as error:
            raise ReportError(
                f"the record cannot be written ({type(error).__name__}), and a report must be noted in it; "
                "give --record a database that you may write to"
            ) from error

    def model_of(self, name: str | None) -> str:
        """Which model to report on: the one of that name, or the only one.

        Raises:
            ReportError: the record does not hold it, or holds several and none was named.
        """
        # Counts outlast configurations, which are pruned with the decisions that they made.
        with self.engine.connect() as connection:
            counted = connection.execute(select(tables.hourly_decisions.c.model).distinct()).scalars().all()
        models = sorted({*counted, *(str(body["model"]) for body in self.configurations.values())})
        if not models:
            raise ReportError("the record holds no decision yet")
        if name is None and len(models) > 1:
            raise ReportError(f"the record holds several models; name one by --model: {', '.join(models)}")
        if name is not None and name not in models:
            raise ReportError(
                f"the record holds no decision of model {name!r}; it holds: {', '.join(models)}"
            )
        return name or models[0]

    def counted_period(self, model: str) -> ReportPeriod | None:
        """The hours of which a model's decisions are counted; None where there are none."""
        hour, of = tables.hourly_decisions.c.hour, tables.hourly_decisions.c.model
        with self.engine.connect() as connection:
            first, last = connection.execute(select(func.min(hour), func.max(hour)).where(of == model)).one()
        return None if first is None else ReportPeriod(first * HOUR_MS, (last + 1) * HOUR_MS)


@contextmanager
def open_record(record: str, state: Path) -> Iterator[RecordSource]:
    """Open a record.

    Args:
        record: SQLAlchemy's URL; empty for the SQLite file in the state folder.
        state: Folder with the record's key.

    Raises:
        ReportError: there is none that can be used.
    """
    if record == "off":
        raise ReportError("nothing is recorded: the setting record is off; name a record by --record")
    file = state / "record.db"
    if not record and not file.is_file():
        raise ReportError(
            f"no record in {state}; name the service's state folder by --state, or its database by --record"
        )
    try:
        engine = make_engine(record or f"sqlite:///{file.absolute()}")
    except RecordRefused as error:
        raise ReportError(
            "--record is no usable URL; give postgresql://user@host/database or sqlite:////folder/file"
        ) from error
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("records"):
                raise ReportError(
                    "the database holds no record of decisions; is --record the one that the service uses?"
                )
            source = RecordSource(
                engine, _keys(state / "record.key", connection), _configurations(connection)
            )
        yield source
    except SQLAlchemyError as error:
        raise ReportError(
            f"the record's database cannot be read ({type(error).__name__}); is it up, and --record right?"
        ) from error
    finally:
        engine.dispose()


def _keys(file: Path, connection: Connection) -> Keys | None:
    """The record's key; none is made where there is none."""
    if not file.is_file():
        return None
    try:
        keys = load_keys(file)
    except KeyFileError as error:
        raise ReportError(str(error)) from error
    begun_with = connection.execute(select(tables.about.c.value).where(tables.about.c.name == KEY)).scalar()
    if begun_with not in (None, keys.fingerprint):
        raise ReportError(
            f"{file} is not the key that this record was begun with; name its state folder by --state"
        )
    return keys


def _configurations(connection: Connection) -> dict[str, Plain]:
    return {name: from_json(body) for name, body in connection.execute(select(tables.configurations))}
