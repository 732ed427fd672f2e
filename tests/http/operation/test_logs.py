"""The log of a real service: every line is one JSON object, and none says what somebody sent."""

import json
import logging
import sys
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from serving import Server
from waiting import until

from evenhand.service import logs
from evenhand.service.errors import InvalidInput
from evenhand.service.tracing import CURRENT, Tracer

SECRET = "zanzibar"
COMMAND = (sys.executable, "-c", "from evenhand.cli.main import main; main()", "serve")


class Watched(Server):
    """A server whose log is read."""

    def __init__(self, *options: str, **environment: str) -> None:
        self.text: list[str] = []
        super().__init__(*COMMAND, *options, "--port", "PORT", **environment)
        assert self.process.stderr is not None
        self._thread = threading.Thread(target=self.text.extend, args=(self.process.stderr,))
        self._thread.start()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.text)]

    def put(self, path: str, body: Any) -> int:
        url, data = f"http://127.0.0.1:{self.port}{path}", json.dumps(body).encode()
        request = urllib.request.Request(
            url, data, {"content-type": "application/json", "x-request-id": "mine"}, method="PUT"
        )
        with urllib.request.urlopen(request, timeout=600) as reply:
            return int(reply.status)

    def end(self) -> None:
        self.stop()
        self._thread.join()


@pytest.fixture
def handlers() -> Iterator[None]:
    """Logging as it was before, and meanwhile as a service has it."""
    root, before = logging.getLogger(), list(logging.getLogger().handlers)
    # MLflow, which other tests import, takes the lines of this library for itself.
    migrations = logging.getLogger("alembic")
    migrations.handlers, migrations.propagate = [], True
    levels = {name: logging.getLogger(name).level for name in ("", *logs.OURS)}
    yield
    root.handlers[:] = before
    logging.captureWarnings(False)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


def test_every_line_of_a_service_is_json_and_none_tells_what_was_sent(demo: Path, tmp_path: Path) -> None:
    chosen = {
        "EVENHAND_LOG_FORMAT": "json",
        "EVENHAND_LOG_LEVEL": "debug",
        "EVENHAND_STATE": str(tmp_path / "state"),
    }
    server = Watched(str(demo), **chosen)
    try:
        payload = {"inputs": [f"{SECRET} is here", 7], "groups": [{"religion": SECRET}, {SECRET: "x"}]}
        server.get("/predict", payload)
        server.get("/feedback", {"id": SECRET, "label": SECRET})
        server.get(f"/decisions/{SECRET}")
        server.get("/predict", {SECRET: SECRET})
        mode = {"attribute": "any_group", "mode": "shadow"}
        assert server.put("/models/hate-speech/mode", mode) == 200
    finally:
        server.end()
    lines = server.lines()
    assert {"time", "level", "logger", "message", "process"} <= set.intersection(
        *(set(line) for line in lines)
    )
    assert {"uvicorn.error", "evenhand.service.process.supervisor", "evenhand.service.catalog.operator"} <= {
        line["logger"] for line in lines
    }
    (switched,) = [line for line in lines if line["logger"] == "evenhand.service.catalog.operator"]
    assert switched["request_id"] == "mine"
    assert len(switched["trace_id"]) == 32
    assert SECRET not in "".join(server.text)


def test_the_level_changes_in_every_worker(demo: Path, tmp_path: Path) -> None:
    chosen = {
        "EVENHAND_LOG_FORMAT": "json",
        "EVENHAND_STATE": str(tmp_path / "state"),
        "EVENHAND_RECORD": "off",
    }
    server = Watched(str(demo), "--workers", "2", **chosen)
    try:
        until(lambda: sum("startup complete" in line["message"] for line in server.lines()) == 2)
        assert server.put("/log-level", {"level": "error"}) == 200
        time.sleep(0.6)  # the other worker follows
        said = len(server.text)
        server.put("/models/hate-speech/mode", {"mode": "off"})
        server.put("/models/hate-speech/mode", {"mode": "shadow"})
        assert not [
            line for line in server.lines()[said:] if line["logger"] == "evenhand.service.catalog.operator"
        ]
        server.put("/log-level", {"level": "info"})
        time.sleep(0.6)
        server.put("/models/hate-speech/mode", {"mode": "off"})
        until(lambda: any("the mode of" in line["message"] for line in server.lines()))
    finally:
        server.end()


def test_a_level_that_is_none_is_refused(client: TestClient, handlers: None) -> None:
    reply = client.put("/log-level", json={"level": SECRET})
    assert reply.status_code == 422
    assert SECRET not in reply.text
    assert client.put("/log-level", json={"level": "debug"}).json() == {"level": "debug"}
    assert logs.level() == "debug"


@pytest.mark.parametrize("form", ["text", "json"])
def test_an_error_is_told_without_what_it_quotes(
    form: Any, handlers: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.begin("info", form)
    log = logging.getLogger("evenhand.service.test")
    CURRENT.set(trace := Tracer().begin("r1", b""))
    try:
        try:
            float(SECRET)
        except ValueError as error:
            raise InvalidInput("send a number") from error
    except InvalidInput:
        log.exception("this failed")
    finally:
        CURRENT.set(None)
    said = capsys.readouterr().err
    assert SECRET not in said
    assert "ValueError" in said
    assert "InvalidInput: send a number" in said
    assert "test_logs.py" in said
    if form == "json":
        (line,) = said.splitlines()
        entry = json.loads(line)
        assert (entry["request_id"], entry["trace_id"], entry["level"]) == ("r1", trace.trace_id, "error")


def test_libraries_warnings_are_lines_like_ours(handlers: None, capsys: pytest.CaptureFixture[str]) -> None:
    logs.begin("error", "json")
    logging.getLogger("alembic.runtime.migration").warning("a step\nwith two lines")
    warnings.warn("soon to be gone", DeprecationWarning, stacklevel=1)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[0]["message"] == "a step\nwith two lines"
    assert lines[0]["logger"] == "alembic.runtime.migration"
    assert [line["logger"] for line in lines] == ["alembic.runtime.migration", "py.warnings"]


def test_what_libraries_say_below_a_warning_is_not_written(
    handlers: None, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.begin("debug", "text")
    for name in ("PIL.TiffImagePlugin", "sqlalchemy.engine", "urllib3", "asyncio"):
        logging.getLogger(name).info("value: %s", SECRET)
    logging.getLogger("evenhand.service.x").debug("ours")
    said = capsys.readouterr().err
    assert SECRET not in said
    assert "ours" in said
