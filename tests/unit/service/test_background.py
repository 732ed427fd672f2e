"""Work that fails is tried again, logged once, counted, and shown in health."""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry
from waiting import until

from evenhand.service import background as module
from evenhand.service.background import NAMES, Background
from evenhand.service.metrics.collectors import Metrics


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(module, "LONGEST_PAUSE_S", 0.04)


class Flaky:
    """A turn that fails as long as ``broken`` is set."""

    def __init__(self) -> None:
        self.broken = True
        self.turns: list[float] = []

    def turn(self) -> float:
        self.turns.append(time.monotonic())
        if self.broken:
            raise OSError(24, "Too many open files")
        return 0.01

    async def aturn(self) -> float:
        return self.turn()


async def later(holds: Callable[[], object]) -> None:
    """Wait on the loop."""
    await asyncio.to_thread(until, holds)


@pytest.mark.parametrize("kind", ["task", "thread"])
async def test_work_that_fails_goes_on_says_so_once_and_shows_until_it_succeeds(
    kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    counts, flaky = Counter[str](), Flaky()
    background = Background(lambda name: counts.update([name]))
    work = (
        background.task("control", flaky.aturn)
        if kind == "task"
        else background.thread("control", flaky.turn)
    )
    work.start()
    await later(lambda: len(flaky.turns) > 4)
    assert background.problem is not None
    assert "control: OSError: Too many open files" in background.problem
    assert background.beyond_repair is None
    flaky.broken = False
    await later(lambda: background.problem is None)
    failures = counts["control"]
    assert failures >= 5
    turns = len(flaky.turns)
    await later(lambda: len(flaky.turns) > turns + 2)
    work.stop()
    said = [
        (record.levelno, record.getMessage()) for record in caplog.records if record.name == module.__name__
    ]
    assert [level for level, _ in said] == [logging.ERROR, logging.WARNING]
    assert "tried again" in said[0][1]
    assert counts["control"] == failures


def test_the_pause_doubles_up_to_a_bound() -> None:
    work = Background().thread("control", lambda: None)
    pauses = [work.fail(OSError()) for _ in range(40)]
    assert pauses[:4] == [0.01, 0.02, 0.04, 0.04]
    assert max(pauses) == 0.04


async def test_work_that_stays_down_is_beyond_repair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "UNHEALTHY_AFTER_S", 0.2)
    background, flaky = Background(), Flaky()
    task = background.task("bundles", flaky.aturn).start()
    await later(lambda: background.problem is not None)
    await later(lambda: background.beyond_repair is not None)
    flaky.broken = False
    await later(lambda: background.beyond_repair is None)
    task.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_ends_a_process_ends_a_thread_and_shows_at_once() -> None:
    background = Background()

    def turn() -> None:
        raise SystemExit

    work = background.thread("housekeeping", turn)
    work.start()
    work.stop()
    assert background.beyond_repair is not None
    assert background.problem is not None
    assert "must be replaced" in background.problem


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_ends_a_process_leaves_the_loop(error: type[BaseException]) -> None:
    background = Background()

    async def turn() -> None:
        raise error

    async def main() -> None:
        background.task("control", turn).start()
        await asyncio.sleep(60)

    with pytest.raises(error):
        asyncio.run(main())
    assert background.beyond_repair is not None


async def test_a_stop_is_clean_in_the_middle_of_a_pause_and_of_a_turn(
    caplog: pytest.LogCaptureFixture,
) -> None:
    background, begun = Background(), asyncio.Event()

    async def turn() -> float:
        begun.set()
        await asyncio.sleep(60)
        return 0.0

    task, thread = background.task("control", turn).start(), background.thread("memory", lambda: 60.0)
    thread.start(60.0)
    await begun.wait()
    task.stop()
    await asyncio.to_thread(thread.stop, 10.0)
    await asyncio.sleep(0)
    assert "memory" not in [running.name for running in threading.enumerate()]
    assert background.problem is None
    assert not [record for record in caplog.records if record.name == module.__name__]


def test_a_thread_that_must_finish_does_so_after_the_stop_and_gives_up_where_it_cannot() -> None:
    left = list(range(5))

    def turn() -> float | None:
        left.pop()
        return 60.0 if left else None

    work = Background().thread("record", turn, finishes=True)
    work.start()
    work.stop()
    assert not left
    flaky = Flaky()
    work = Background().thread("record", flaky.turn, finishes=True)
    work.start()
    work.stop()
    assert len(flaky.turns) >= module.TRIES_WHILE_STOPPING


async def test_a_detached_task_that_fails_is_counted_and_leaves_the_service_ready(
    caplog: pytest.LogCaptureFixture,
) -> None:
    counts = Counter[str]()
    background = Background(lambda name: counts.update([name]))
    tasks = background.detached("shadow")

    async def fail() -> None:
        raise ValueError("a text that somebody sent")

    for _ in range(3):
        tasks.start(fail())
    assert len(tasks) == 3
    await later(lambda: counts["shadow"] == 3)
    await later(lambda: not len(tasks))
    assert background.problem is None
    (said,) = [record for record in caplog.records if record.name == module.__name__]
    assert "somebody" not in said.getMessage()
    await tasks.close()


def test_every_name_is_counted_from_the_start() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    for name in NAMES:
        assert registry.get_sample_value("evenhand_background_failures_total", {"task": name}) == 0
    metrics.background_failed("control")
    assert registry.get_sample_value("evenhand_background_failures_total", {"task": "control"}) == 1
