"""The record of a service under load: killed, or without its database, it loses nothing it acknowledged."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from databases import Postgres, database, postgres  # noqa: F401 - fixtures
from record_load import Load, assert_chain_holds, on_record
from serving import EVENHAND, Server
from waiting import until

KILLS = 6
AWAY_S = 10.0


@pytest.fixture
def start(demo: Path, tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    running: list[Server] = []

    def started(url: str) -> Server:
        variables = {"EVENHAND_STATE": str(tmp_path / "state"), "EVENHAND_RECORD": url}
        command = (str(EVENHAND), "serve", str(demo), "--port", "PORT", "--log-level", "warning")
        running.append(Server(*command, **variables, EVENHAND_DURABILITY="request"))
        return running[-1]

    yield started
    for server in running:
        server.process.kill()
        server.process.wait()


@pytest.mark.slow
def test_killed_under_load_again_and_again_nothing_acknowledged_is_lost(
    start: Callable[[str], Server],
    database: str,  # noqa: F811 - the fixture
) -> None:
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        server = start(database)
        load = Load(server)
        until(lambda load=load, kill=kill: len(load.acknowledged) > 10 + 7 * (kill % 3))
        server.process.kill()
        server.process.wait()
        load.end()
        acknowledged |= set(load.acknowledged)
    server = start(database)  # takes over what the last one left on disk
    assert acknowledged <= on_record(database)
    assert_chain_holds(database)
    assert server.stop() == 0


@pytest.mark.slow
def test_a_database_that_goes_away_under_load_costs_no_answer_and_no_record(
    start: Callable[[str], Server],
    postgres: Postgres,  # noqa: F811 - the fixture
) -> None:
    url = postgres.create()
    server = start(url)
    load = Load(server)
    until(lambda: len(load.acknowledged) > 20)
    postgres.stop("immediate")
    before = len(load.acknowledged)
    time.sleep(AWAY_S)
    assert server.get("/readyz")[0] == 200
    assert server.get("/fairness")[0] == 503
    assert server.get("/feedback", {"id": load.acknowledged[0], "label": "hate"})[0] == 503
    assert len(load.acknowledged) > before + 20
    postgres.start()
    until(lambda: server.get("/fairness")[0] == 200 and server.get("/fairness")[1]["record"]["state"] == "on")
    load.end()
    assert load.failed == []
    until(lambda: set(load.acknowledged) <= on_record(url))
    assert server.get("/feedback", {"id": load.acknowledged[before], "label": "hate"})[1]["counts"] == {
        "joined": 1
    }
    assert server.stop() == 0
    assert_chain_holds(url)
