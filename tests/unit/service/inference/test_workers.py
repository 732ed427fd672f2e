"""Engine threads: shared out fairly, watched, and replaced when lost."""

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Callable

import pytest

from evenhand.service.inference import workers as module
from evenhand.service.inference.workers import Workers


class Work:
    """A source of jobs that are functions."""

    def __init__(self, *jobs: Callable[[], None]) -> None:
        self.jobs = deque(jobs)
        self.failed = 0

    @property
    def depth(self) -> int:
        return len(self.jobs)

    def take(self) -> "Work | None":
        return self if self.jobs else None

    def run(self) -> None:
        self.jobs.popleft()()

    def fail(self) -> None:
        self.failed += 1


async def until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + 600
    while not holds():
        assert time.monotonic() < deadline_s
        await asyncio.sleep(0.01)


async def test_workers_are_ready_once_each_has_answered_its_canary() -> None:
    probes: Counter[str] = Counter()
    workers = Workers(3, lambda: probes.update([threading.current_thread().name]), stall_s=1.0)
    assert workers.problem == "the engine has not been started"
    await workers.start()
    assert workers.problem is None
    assert probes == {"engine-0": 1, "engine-1": 1, "engine-2": 1}
    await workers.stop()


async def test_a_run_is_alone_while_no_other_worker_runs_and_nothing_waits() -> None:
    alone: list[bool] = []
    workers = Workers(2, lambda: None, stall_s=5.0)
    gate = threading.Event()

    def last() -> None:
        alone.append(workers.is_alone)

    def first() -> None:
        alone.append(workers.is_alone)
        gate.wait(600)

    one, other = Work(first), Work()
    workers.add(one)
    workers.add(other)
    await workers.start()
    await until(lambda: len(alone) == 1)
    other.jobs.append(last)
    workers.wake()
    await until(lambda: len(alone) == 2)
    gate.set()
    await until(lambda: not any(worker.busy_s for worker in workers._workers))
    other.jobs.extend([last, last])
    workers.wake()
    await until(lambda: len(alone) == 4)
    assert alone[:2] == [True, False]
    assert alone[2] is False  # one more waits
    await workers.stop()


async def test_a_heavy_source_does_not_starve_a_light_one() -> None:
    order: list[str] = []

    def job(name: str, seconds: float) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            time.sleep(seconds)

        return run

    heavy = Work(*[job("heavy", 0.04) for _ in range(10)])
    light = Work(*[job("light", 0.01) for _ in range(20)])
    workers = Workers(1, lambda: None, stall_s=5.0)
    workers.add(heavy)
    workers.add(light)
    await workers.start()
    await until(lambda: not light.jobs)
    await workers.stop()
    # Equal engine time: about four light jobs to a heavy one, not one to one.
    assert 3 <= order[: order.index("light") + 20].count("heavy") <= 8


async def test_a_source_that_was_idle_does_not_make_up_for_it() -> None:
    order: list[str] = []

    def job(name: str) -> Callable[[], None]:
        def run() -> None:
            order.append(name)
            time.sleep(0.01)

        return run

    busy, late = Work(*[job("busy") for _ in range(60)]), Work()
    workers = Workers(1, lambda: None, stall_s=5.0)
    workers.add(busy)
    workers.add(late)
    await workers.start()
    await until(lambda: len(order) >= 20)
    late.jobs.extend(job("late") for _ in range(20))
    workers.wake()
    await until(lambda: not late.jobs)
    await workers.stop()
    begun = order.index("late")
    assert order[begun : begun + 20].count("busy") >= 7


async def test_a_background_source_gets_what_the_others_leave() -> None:
    order: list[str] = []
    first = Work(*[lambda: order.append("first") for _ in range(5)])
    behind = Work(*[lambda: order.append("behind") for _ in range(5)])
    workers = Workers(1, lambda: None, stall_s=5.0)
    workers.add(behind, background=True)
    workers.add(first)
    await workers.start()
    await until(lambda: not behind.jobs)
    assert order == ["first"] * 5 + ["behind"] * 5
    order.clear()
    workers.defer(first, background=True)
    workers.defer(behind, background=False)
    first.jobs.append(lambda: order.append("first"))
    behind.jobs.extend([lambda: order.append("behind")] * 2)
    workers.wake()
    await until(lambda: len(order) == 3)
    assert order == ["behind", "behind", "first"]
    workers.remove(behind)
    behind.jobs.append(lambda: order.append("removed"))
    workers.wake()
    await asyncio.sleep(0.05)
    assert "removed" not in order
    await workers.stop()


async def test_all_workers_help_with_what_arrived_at_once() -> None:
    together = threading.Barrier(2, timeout=600)
    work = Work()
    workers = Workers(2, lambda: None, stall_s=10.0)
    workers.add(work)
    await workers.start()
    work.jobs.extend([lambda: together.wait() and None] * 2)
    workers.wake()
    await until(lambda: not work.jobs and workers.problem is None)
    await asyncio.sleep(0.05)
    assert not together.broken
    await workers.stop()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_dead_worker_fails_its_job_shows_and_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBATION_S", 0.3)

    def die() -> None:
        raise SystemExit

    work = Work(die)
    workers = Workers(1, lambda: None, stall_s=5.0)
    await workers.start()  # before there is work: else the thread may die while the start waits for it
    workers.add(work)
    workers.wake()
    await until(lambda: workers.problem is not None)
    await until(lambda: work.failed == 1)
    await until(lambda: workers.problem is None)
    done = threading.Event()
    work.jobs.append(done.set)
    workers.wake()
    await until(done.is_set)
    await workers.stop()


async def test_a_hung_worker_fails_its_job_shows_and_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBATION_S", 0.3)
    freed, done = threading.Event(), threading.Event()
    work = Work(lambda: freed.wait(600) and None)
    workers = Workers(1, lambda: None, stall_s=0.3)
    workers.add(work)
    await workers.start()
    await until(lambda: workers.problem is not None)
    await until(lambda: work.failed == 1)
    await until(lambda: workers.problem is None)
    work.jobs.append(done.set)
    workers.wake()
    await until(done.is_set)
    assert not workers.beyond_repair
    freed.set()
    await workers.stop()


async def test_workers_that_go_on_hanging_say_that_only_a_new_process_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PROBATION_S", 0.0)
    freed = threading.Event()
    work = Work(*[lambda: freed.wait(600) and None] * 10)
    workers = Workers(1, lambda: None, stall_s=0.1)
    workers.add(work)
    await workers.start()
    await until(lambda: workers.beyond_repair)
    assert workers.problem is not None
    assert "must be replaced" in workers.problem
    assert work.failed == module.MOST_HUNG
    freed.set()
    await until(lambda: not workers.beyond_repair)
    await workers.stop()


async def test_a_model_that_needs_long_is_given_the_time() -> None:
    work = Work(lambda: time.sleep(0.8))
    workers = Workers(1, lambda: None, stall_s=0.3)
    workers.allow(full_batch_s=0.5)
    workers.add(work)
    await workers.start()
    await asyncio.sleep(1.0)
    assert not work.jobs
    assert work.failed == 0
    assert workers.problem is None
    await workers.stop()


async def test_a_canary_that_fails_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBE_S", 0.1)
    broken = threading.Event()

    def probe() -> None:
        if broken.is_set():
            raise RuntimeError("wrong")

    workers = Workers(1, probe, stall_s=5.0)
    await workers.start()
    broken.set()
    await until(lambda: workers.problem is not None)
    busy = Work(*[lambda: time.sleep(0.02)] * 400)
    workers.add(busy)
    workers.wake()
    await asyncio.sleep(0.1)
    broken.clear()
    await until(lambda: workers.problem is None)
    assert busy.jobs, "it recovered under load"
    busy.jobs.clear()
    await workers.stop()


async def test_on_a_machine_just_booted_the_canary_is_due_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stopped:
        """The clock of a machine in its first moment."""

        @staticmethod
        def monotonic() -> float:
            return 0.0

    monkeypatch.setattr(module, "time", Stopped)
    workers = Workers(1, lambda: None, stall_s=5.0)
    await asyncio.wait_for(workers.start(), 60)
    assert workers.problem is None
    await workers.stop()
