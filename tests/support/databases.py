"""Real databases for tests: SQLite's file, and Debian's PostgreSQL in a folder of its own."""

import os
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

NAMES = ("sqlite", "postgresql")


def programs() -> Path | None:
    """Where PostgreSQL's server programs are; Debian keeps them off the search path."""
    folders = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), reverse=True)]
    on_path = shutil.which("pg_ctl")
    return folders[0] if folders else Path(on_path).resolve().parent if on_path else None


class Postgres:
    """A server on a free local port; PostgreSQL refuses to run as root, so another user runs it."""

    def __init__(self, bin_folder: Path) -> None:
        self._bin = bin_folder
        runuser = shutil.which("runuser") or "/usr/sbin/runuser"  # not on every search path
        self._as = (runuser, "-u", "postgres", "--") if os.geteuid() == 0 else ()
        self.folder = Path(tempfile.mkdtemp(prefix="evenhand-postgres-"))
        if self._as:
            shutil.chown(self.folder, "postgres")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._do(
            "initdb", "-D", f"{self.folder}/data", "-U", "evenhand", "-A", "trust", "-E", "UTF8", "--no-sync"
        )
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
        self._do(
            "pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", f"{self.folder}/log", "-o", options, "start"
        )

    def stop(self, mode: str) -> None:
        """``immediate`` is like a crash."""
        self._do("pg_ctl", "-D", f"{self.folder}/data", "-w", "-m", mode, "stop")

    def create(self, encoding: str = "UTF8") -> str:
        """A new database's URL."""
        name = f"t{uuid.uuid4().hex}"
        where = ("-h", "127.0.0.1", "-p", str(self.port), "-U", "evenhand")
        self._do("createdb", *where, "-E", encoding, "-T", "template0", "--locale", "C", name)
        return f"postgresql+psycopg://evenhand@127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        self.stop("immediate")
        shutil.rmtree(self.folder)

    def _do(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(self._bin / program), *arguments]
        done = subprocess.run(
            command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=600
        )
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for all tests; whoever stops it starts it again."""
    folder = programs()
    if folder is None:
        pytest.skip("PostgreSQL's server is not installed")
    server = Postgres(folder)
    yield server
    server.close()


@pytest.fixture(params=NAMES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind."""
    if request.param == "postgresql":
        return request.getfixturevalue("postgres").create()
    return f"sqlite:///{tmp_path / 'record.db'}"
