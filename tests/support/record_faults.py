"""Faults of the record's database: locked, away, and a connection that is cut at a commit."""

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from databases import Postgres

from evenhand.service.audit.store import Store, head


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Hold the chain, so that nobody else can write."""
    store = Store(url, "unused")
    with store.engine.execution_options(writes=True).begin() as connection:
        head(connection)
        yield
    store.engine.dispose()


@contextmanager
def away(url: str, postgres: Postgres | None) -> Iterator[None]:
    """SQLite is locked by somebody; PostgreSQL crashes, and comes back."""
    if postgres is None:
        with locked(url):
            yield
        return
    postgres.stop("immediate")
    try:
        yield
    finally:
        postgres.start()


class Cutter:
    """A way to a server that, when told to, passes the next COMMIT on and cuts the line before the answer."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.cuts = 0
        """How many commits to cut."""
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._to) as server:
            while True:
                for ready in select.select([client, server], [], [])[0]:
                    data = ready.recv(65536)
                    (server if ready is client else client).sendall(data)
                    if not data:
                        return
                    if ready is client and b"COMMIT" in data and self.cuts:
                        self.cuts -= 1
                        server.recv(65536)  # it is committed now
                        return

    def close(self) -> None:
        self._listening.close()
