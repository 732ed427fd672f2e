"""Whoever writes in bulk leaves others their turn."""

import contextlib
import threading
import time
from pathlib import Path

import sqlalchemy as sa

from evenhand.service.audit.store import TURN, make_engine


def test_writers_of_one_process_write_in_the_order_in_which_they_came(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'record.db'}").execution_options(writes=True)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE one (number INTEGER)"))
    order, stop = list[str](), threading.Event()

    def bulk() -> None:
        while not stop.is_set():
            with engine.begin() as connection:
                connection.execute(sa.text("INSERT INTO one VALUES (1)"))
                order.append("bulk")
                time.sleep(0.05)

    thread = threading.Thread(target=bulk)
    thread.start()
    try:
        for _ in range(20):
            before = len(order)
            with engine.begin() as connection:
                # At most the transaction that is under way, and one that began to wait at the same moment.
                assert len(order) - before <= 2
                connection.execute(sa.text("INSERT INTO one VALUES (2)"))
    finally:
        stop.set()
        thread.join()
        engine.dispose()


def test_a_transaction_that_fails_gives_its_turn_back(tmp_path: Path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'record.db'}").execution_options(writes=True)
    for _ in range(3):
        with contextlib.suppress(sa.exc.OperationalError), engine.begin() as connection:
            assert connection.info[TURN] is True  # it did not go without one
            connection.execute(sa.text("no SQL at all"))
    engine.dispose()
