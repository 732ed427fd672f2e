"""Load on a service that keeps a record, and what the record then holds."""

import threading

from serving import Server
from sqlalchemy import create_engine, select

from evenhand.service.audit.maintenance.verify import verify
from evenhand.service.audit.tables import records


class Load:
    """Threads that ask one server again and again, and remember which decisions they were told."""

    def __init__(self, server: Server, threads: int = 4) -> None:
        self.acknowledged: list[str] = []
        self.failed: list[tuple[int, object]] = []
        self._server, self._stop = server, threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]
        for thread in self._threads:
            thread.start()

    def _ask(self) -> None:
        while not self._stop.is_set():
            status, reply = self._server.get("/predict", {"inputs": ["nice day", "go home"], "groups": None})
            if status == 200:
                self.acknowledged += [prediction["id"] for prediction in reply["predictions"]]
            elif not self._stop.is_set():
                self.failed.append((status, reply))

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def on_record(url: str) -> set[str]:
    engine = create_engine(url)
    with engine.connect() as connection:
        ids = set(connection.scalars(select(records.c.id).where(records.c.kind == "decision")))
    engine.dispose()
    return ids


def assert_chain_holds(url: str) -> None:
    engine = create_engine(url)
    report = verify(engine, [], frozenset(), lambda *_: None)
    assert report.findings == []
    assert report.more == 0
    engine.dispose()
