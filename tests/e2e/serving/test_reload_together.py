"""Replicas that share folder, database and load take a new bundle at once, even a half-written one."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from databases import database, postgres  # noqa: F401 - fixtures
from pydantic_core import from_json
from rebundle import reversion
from record_load import Load, assert_chain_holds, on_record
from serving import EVENHAND, Server
from waiting import until

NAME = "hate-speech"
RELOAD = f"/models/{NAME}/reload"
VERSIONS = ("1.0.1", "1.0.2")


@pytest.fixture
def folder(demo: Path, tmp_path: Path) -> Path:
    shutil.copytree(demo, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def replicas(
    folder: Path,
    tmp_path: Path,
    database: str,  # noqa: F811 - the fixture
) -> Iterator[list[Server]]:
    made: list[Server] = []
    shared = {
        "EVENHAND_STATE": str(tmp_path / "state"),
        "EVENHAND_RECORD": database,
        "EVENHAND_WATCH_S": "0.2",
    }
    command = (str(EVENHAND), "serve", str(folder), "--port", "PORT", "--log-level", "error")
    try:
        for _ in range(2):
            made.append(Server(*command, **shared, EVENHAND_DURABILITY="request", EVENHAND_LANES="1"))
        yield made
    finally:
        for server in made:
            server.process.kill()
            server.process.wait()


def model(server: Server) -> dict[str, Any]:
    (entry,) = server.get("/models")[1]["models"]
    return dict(entry)


def test_two_replicas_that_reload_at_once_lose_nothing_and_end_with_the_same_version(
    replicas: list[Server],
    folder: Path,
    database: str,  # noqa: F811 - the fixture
) -> None:
    whole = (folder / "model.onnx").read_bytes()
    loads = [Load(server, threads=2) for server in replicas]
    try:
        for version in VERSIONS:
            (folder / "model.onnx").write_bytes(whole[: len(whole) // 2])
            reversion(folder, version)
            until(lambda: all(model(server)["refused"] for server in replicas))
            assert [model(server)["version"] == version for server in replicas] == [False, False]
            (folder / "model.onnx").write_bytes(whole)
            with ThreadPoolExecutor(4) as pool:  # each is told twice, and sees it by itself
                replies = list(pool.map(lambda server: server.get(RELOAD, {}), replicas * 2))
            assert {status for status, _ in replies} <= {200, 409}, replies
            until(lambda version=version: all(model(server)["version"] == version for server in replicas))
            before = [len(load.acknowledged) for load in loads]
            until(
                lambda before=before: all(
                    len(load.acknowledged) > n + 10 for load, n in zip(loads, before, strict=True)
                )
            )
    finally:
        for load in loads:
            load.end()
    assert [load.failed for load in loads] == [[], []]
    assert [server.stop() for server in replicas] == [0, 0]
    assert {name for load in loads for name in load.acknowledged} <= on_record(database)
    assert_chain_holds(database)
    assert taken(database) == sorted([*VERSIONS, *VERSIONS])


def taken(url: str) -> list[str]:
    """Which versions took over, once per replica."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        bodies = connection.scalars(sa.text("SELECT body FROM records WHERE kind = 'reload'"))
        reloads = [from_json(body) for body in bodies]
    engine.dispose()
    return sorted(one["version"] for one in reloads if one["result"] == "ok")
