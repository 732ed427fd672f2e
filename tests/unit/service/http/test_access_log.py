"""The access log: which requests have a line, what it says, and that strangers cannot fill a disk with it."""

import logging
from typing import Any

import pytest

from evenhand.service.auth.authorizer import CALLER
from evenhand.service.http.access_log import EVERY_S, REFUSALS, AccessLog


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def scope(**more: Any) -> dict[str, Any]:
    return {
        "method": "POST",
        "path": "/decisions/secret",
        "client": ("10.1.2.3", 5),
        CALLER: "key app",
        **more,
    }


@pytest.mark.parametrize(
    ("kind", "logged"), [("off", [401, 403]), ("errors", [400, 401, 403, 422, 499, 500]), ("all", None)]
)
def test_the_kind_decides_which_requests_have_a_line(
    caplog: pytest.LogCaptureFixture, kind: Any, logged: list[int] | None
) -> None:
    caplog.set_level("INFO", logger="evenhand")
    statuses = [200, 304, 400, 401, 403, 422, 499, 500]
    log = AccessLog(kind, address=False)
    for status in statuses:
        log.write(scope(), "/decisions/{id}", status, 0.00123)
    facts = [record.facts for record in caplog.records]
    assert [each["status"] for each in facts] == (statuses if logged is None else logged)
    assert facts[0] == {
        **{"method": "POST", "route": "/decisions/{id}", "status": facts[0]["status"]},
        **{"milliseconds": 1.2, "caller": "key app"},
    }
    assert all("secret" not in record.getMessage() for record in caplog.records)
    assert all("10.1.2.3" not in record.getMessage() for record in caplog.records)


def test_the_address_is_said_where_it_is_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="evenhand")
    log = AccessLog("all", address=True)
    log.write(scope(), "/predict", 200, 0.5)
    log.write(scope(client=None, **{CALLER: "nobody"}), "/predict", 200, 0.5)
    assert [record.getMessage() for record in caplog.records] == [
        "POST /predict 200 in 500.0 ms by key app from 10.1.2.3",
        "POST /predict 200 in 500.0 ms by nobody",
    ]


def test_refused_callers_are_logged_a_few_times_in_a_minute_and_then_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    log = AccessLog("off", address=False, clock=clock)
    for _ in range(5 * REFUSALS):
        log.write(scope(**{CALLER: "nobody"}), "unmatched", 401, 0.001)
    assert len(caplog.records) == REFUSALS
    assert {record.levelno for record in caplog.records} == {logging.WARNING}
    clock.now_s = EVERY_S
    log.write(scope(), "/fairness", 403, 0.001)
    assert caplog.records[-1].getMessage() == (
        f"refused: POST /fairness 403 in 1.0 ms by key app; {4 * REFUSALS} more refused requests were not "
        "logged"
    )
    log.write(scope(), "/fairness", 403, 0.001)
    assert "more" not in caplog.records[-1].getMessage()
