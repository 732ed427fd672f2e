"""The load generator against the real process."""

import json
import subprocess
import sys

import pytest
import uvloop
from places import ROOT

from bench import prepare
from bench.loops import Outcome, closed, opened
from bench.peers.shared.base_model import BaseModel
from bench.protocols import Ask, asks
from bench.servers import MARK, Running, Server, evenhand
from bench.side_by_side.robust import Trial
from bench.side_by_side.speed import Plan
from bench.texts import answered, sentences
from bench.wire import once


@pytest.fixture(scope="module")
def server() -> Server:
    return evenhand()


@pytest.fixture(scope="module")
def sent(server: Server) -> list[Ask]:
    return asks(server.protocol, answered(sentences()[:64], BaseModel(prepare.base_model())))


def trial(server: Server, sent: list[Ask]) -> Trial:
    return Trial(server, sent, Plan(1.0, 0.2, 10.0), 1.0)


def test_a_second_of_load_is_answered_with_what_the_base_model_says(server: Server, sent: list[Ask]) -> None:
    with server.running() as running:
        for outcome in (
            uvloop.run(closed(running.port, sent, 4, 1.0)),
            uvloop.run(opened(running.port, sent, 20, 1.0)),
        ):
            assert outcome.records
            assert all(record.status == 200 for record in outcome.records)
            assert not any(record.right is False for record in outcome.records)
            assert any(record.right for record in outcome.records)
        command = [sys.executable, "-m", "bench.load", "--port", str(running.port), "--connections", "2"]
        load = subprocess.run(
            [*command, "--seconds", "0.5"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        figures = json.loads(load.stdout)
        assert figures["throughput_per_s"] > 0
        assert set(figures["statuses"]) == {"200"}
        assert running.tree.cpu_s() > 0
        assert 50 < running.tree.memory_mb() < 1000


def test_a_wrong_answer_is_seen(server: Server, sent: list[Ask]) -> None:
    async def drive(running: Running) -> Outcome:
        swapped = [Ask(ask.request, b'"base":{"label":"neither"') for ask in sent]
        return await closed(running.port, swapped, 2, 0.3)

    with server.running() as running:
        outcome = uvloop.run(drive(running))
    assert outcome.figures()["wrong"] == len(outcome.records) > 0


@pytest.mark.slow
def test_the_faulty_launcher_raises_for_marked_rows_only(server: Server, sent: list[Ask]) -> None:
    with server.running(faulty=True) as running:
        marked = uvloop.run(once(running.port, server.protocol.poisoned(f"{MARK} and more").request, 10))
        assert marked is not None
        assert marked.status == 503
        outcome = uvloop.run(trial(server, sent).in_model(running))
    assert outcome["statuses_of_bad"] == {"503": 20}
    assert outcome["answers_afterwards"]


@pytest.mark.slow
def test_malformed_rows_are_refused_one_by_one(server: Server, sent: list[Ask]) -> None:
    with server.running() as running:
        outcome = uvloop.run(trial(server, sent).schema(running))
    assert outcome["statuses_of_bad"] == {"422": 20}
    assert (outcome["good"], outcome["failed_good"]) == (620, 0)


def test_stop_counts_what_was_under_way(server: Server, sent: list[Ask]) -> None:
    with server.running() as running:
        outcome = uvloop.run(trial(server, sent).stop(running))
    assert outcome["under_way"] == 64
    # A request that reaches the socket in the very moment in which it is closed was not accepted: there may
    # be a few.
    assert outcome["answered"] + outcome["statuses"].get("0", 0) == 64
    assert outcome["answered"] > 32
    assert (outcome["exit_code"], outcome["orphans"]) == (0, 0)
