"""Migration of a database to this version's tables; refuses one that is not ours to write."""

from __future__ import annotations

import logging
from importlib.resources import as_file, files

from sqlalchemy import Connection, Engine, insert, inspect, select, text

from evenhand.service.audit.tables import about

HEAD = "0003"
"""The last step; the service brings every database to it."""
KEY = "key"
LOCK = 0x45564E48
"""What PostgreSQL locks while one process migrates."""


class RecordRefused(ValueError):
    """This database cannot be written; the message says why and what to do."""


def reason(error: BaseException) -> str:
    """One line for the log: the database's error, never our query."""
    if isinstance(error, RecordRefused):
        return str(error)
    said = str(getattr(error, "orig", "") or error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {said[0]}"


def migrate(engine: Engine, fingerprint: str) -> None:
    """Make or bring up to date the tables; of several processes that try at once one does.

    Args:
        engine: One whose transactions write.
        fingerprint: Of the key whose record this is.

    Raises:
        RecordRefused: the database was begun with another key, or by a newer version.
        sqlalchemy.exc.DBAPIError: it cannot be reached.
    """
    with engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
        if version(connection) != HEAD:
            _upgrade(connection)
        _check_key(connection, fingerprint)


def version(connection: Connection) -> str | None:
    """The last step that a database was brought to; ``None`` where it has none of our tables."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection) -> None:
    # Imported where it is needed: a database that is up to date needs none of it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    logging.getLogger("alembic").setLevel(logging.WARNING)  # it names each of its plugins
    with as_file(files("evenhand.service.audit") / "migrations") as folder:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(folder).replace("%", "%%"))
        try:
            command.upgrade(config, HEAD)
        except CommandError as error:
            raise RecordRefused(
                "the record's database was written by a newer version of Evenhand; update this one, or name "
                "another database in the setting record"
            ) from error


def steps() -> set[str]:
    """Every step that this version knows."""
    folder = files("evenhand.service.audit") / "migrations" / "versions"
    return {
        step.name.split("_")[0]
        for step in folder.iterdir()
        if step.name[0] != "_" and step.name.endswith(".py")
    }


def begun_with(connection: Connection) -> str | None:
    """Fingerprint of the key that a database was begun with."""
    return connection.execute(select(about.c.value).where(about.c.name == KEY)).scalar()


def _check_key(connection: Connection, fingerprint: str) -> None:
    first = begun_with(connection)
    if first is None:
        connection.execute(insert(about).values(name=KEY, value=fingerprint))
    elif first != fingerprint:
        raise RecordRefused(
            "the record's database was begun with another key; copy record.key from the state folder "
            "that it was begun with, or name another database in the setting record"
        )
