"""A PostgreSQL server of the tests' own, and empty databases on it."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

READY_S = 60.0


def binaries() -> Path | None:
    """The folder with ``initdb`` and ``postgres``; on Debian it is not in PATH."""
    found = shutil.which("initdb")
    folders = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def as_postgres(*command: str | Path) -> list[str]:
    """PostgreSQL refuses to run as root."""
    return [*(["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []), *map(str, command)]


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """A running server; gives the URL of its first database."""
    tools = binaries()
    assert tools is not None
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    initdb = as_postgres(tools / "initdb", "-D", data, "-U", "evenhand", "-A", "trust", "-E", "UTF8", "--no-sync")
    subprocess.run(initdb, check=True, capture_output=True, cwd=folder)
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    options = ["-h", "127.0.0.1", "-p", str(port), "-k", "", "-c", "fsync=off"]
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        server = subprocess.Popen(
            as_postgres(tools / "postgres", "-D", data, *options), stdout=log, stderr=log, cwd=folder
        )
    url = f"postgresql+psycopg://evenhand@127.0.0.1:{port}/postgres"
    try:
        _wait(url)
        yield url
    finally:
        subprocess.run(
            as_postgres(tools / "pg_ctl", "-D", data, "-m", "immediate", "stop"), cwd=folder, capture_output=True
        )
        server.wait(READY_S)


@contextmanager
def postgres_anywhere() -> Iterator[str]:
    """A server in a folder that the user ``postgres`` can reach."""
    with tempfile.TemporaryDirectory(prefix="evenhand-pg-") as folder:
        Path(folder).chmod(0o755)
        place = Path(folder) / "server"
        place.mkdir()
        with postgres(place) as url:
            yield url


def new_database(url: str) -> str:
    """An empty database on a server."""
    name = f"t{uuid.uuid4().hex}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return sa.make_url(url).set(database=name).render_as_string(hide_password=False)


def _wait(url: str) -> None:
    engine = sa.create_engine(url)
    for _ in range(int(READY_S / 0.1)):
        try:
            with engine.connect():
                break
        except sa.exc.OperationalError:
            time.sleep(0.1)
    engine.dispose()
