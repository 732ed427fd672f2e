"""The record of a service, opened to make a report of it: read, and told that it was read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json
from sqlalchemy import Connection, Engine, func, inspect, select
from sqlalchemy.exc import SQLAlchemyError

from evenhand.reports.period import Period, ReportError, period_of
from evenhand.service.audit import tables
from evenhand.service.audit.chain import Event
from evenhand.service.audit.digest_keys import KeyFileError, Keys, load_keys
from evenhand.service.audit.maintenance.migrate import KEY, RecordRefused
from evenhand.service.audit.record_batch import Lot
from evenhand.service.audit.store import append, make_engine

Plain = dict[str, Any]


@dataclass(frozen=True)
class Opened:
    """A record."""

    engine: Engine
    keys: Keys | None
    """None where the record's key is not at hand: then declared groups cannot be found by decision."""
    configurations: dict[str, Plain]
    """What decided, by its hash."""

    def of_model(self, model: str) -> dict[str, Plain]:
        """The configurations of one model."""
        return {name: body for name, body in self.configurations.items() if body["model"] == model}

    def note(self, told: Event) -> None:
        """Append an event to the record.

        Raises:
            ReportError: it cannot be written.
        """
        try:
            with self.engine.execution_options(writes=True).begin() as connection:
                append(connection, Lot([told]))
        except SQLAlchemyError as error:
            raise ReportError(
                f"the record cannot be written ({type(error).__name__}), and a report must be noted in it; give "
                "--record a database that you may write to"
            ) from error


@contextmanager
def opened(record: str, state: Path) -> Iterator[Opened]:
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
            found = Opened(engine, _keys(state / "record.key", connection), _configurations(connection))
        yield found
    except SQLAlchemyError as error:
        raise ReportError(
            f"the record's database cannot be read ({type(error).__name__}); is it up, and --record right?"
        ) from error
    finally:
        engine.dispose()


def model_of(found: Opened, asked: str | None) -> str:
    """Which model to report on.

    Raises:
        ReportError: the record does not know it, or knows several and none was named.
    """
    # Counts outlast configurations, which are pruned with the decisions that they made.
    with found.engine.connect() as connection:
        counted = connection.execute(select(tables.hourly_decisions.c.model).distinct()).scalars().all()
    models = sorted({*counted, *(str(body["model"]) for body in found.configurations.values())})
    if not models:
        raise ReportError("the record holds no decision yet")
    if asked is None and len(models) > 1:
        raise ReportError(f"the record holds several models; name one by --model: {', '.join(models)}")
    if asked is not None and asked not in models:
        raise ReportError(f"the record holds no decision of model {asked!r}; it holds: {', '.join(models)}")
    return asked or models[0]


def span(connection: Connection, model: str) -> Period | None:
    """The hours of which a model's decisions are counted."""
    hour, of = tables.hourly_decisions.c.hour, tables.hourly_decisions.c.model
    first, last = connection.execute(select(func.min(hour), func.max(hour)).where(of == model)).one()
    return None if first is None else period_of(range(first, last + 1))


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
        raise ReportError(f"{file} is not the key that this record was begun with; name its state folder by --state")
    return keys


def _configurations(connection: Connection) -> dict[str, Plain]:
    return {name: from_json(body) for name, body in connection.execute(select(tables.configurations))}
