"""Every submit ends exactly once, whatever the runner does and whoever else shares the batch."""

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from evenhand.service.errors import Closing, DeadlineExceeded, EngineFailed, Overloaded, TooLarge
from evenhand.service.inference.batcher import Batcher, BatchReport, Limits
from evenhand.service.inference.workers import Workers


class Runner:
    """Doubles numbers; fails on some; can be held."""

    def __init__(self, bad: Sequence[int] = ()) -> None:
        self.bad = set(bad)
        self.batches: list[list[int]] = []
        self.free = threading.Event()
        self.free.set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.free.wait()
        self.batches.append(list(items))
        if self.bad & set(items):
            raise RuntimeError("poisoned")
        return [2 * item for item in items]


class Case:
    def __init__(self, runner: Runner, batch: int = 8, tokens: int = 1000, **limits: float) -> None:
        self.runner = runner
        self.reports: list[BatchReport] = []
        self.workers = Workers(1, lambda: None, stall_s=30.0)
        self.batcher: Batcher[int, int] = Batcher(
            runner,
            lambda item: item % 100 + 1,
            Limits(int(limits.pop("rows", 100)), batch, tokens, **limits),
            self.workers.wake,
            self.reports.append,
        )

    async def __aenter__(self) -> Batcher[int, int]:
        self.batcher.start()
        self.workers.add(self.batcher)
        await self.workers.start()
        return self.batcher

    async def __aexit__(self, *_: object) -> None:
        self.runner.free.set()  # a failed test must not wait for ever
        await self.batcher.close()
        await self.workers.stop()


async def test_each_caller_gets_its_own_rows() -> None:
    async with Case(Runner()) as batcher:
        answers = await asyncio.gather(*(batcher.submit([i, i + 1000]) for i in range(50)))
    assert answers == [[2 * i, 2 * i + 2000] for i in range(50)]


async def test_a_lone_row_does_not_wait() -> None:
    runner = Runner()
    case = Case(runner)
    async with case as batcher:
        await batcher.submit([1])
    assert runner.batches == [[1]]
    assert case.reports[0].queued_s[0] < 0.5


async def test_batches_grow_only_while_the_engine_is_busy_and_keep_their_limits() -> None:
    runner = Runner()
    runner.free.clear()
    case = Case(runner, batch=8, tokens=120)
    async with case as batcher:
        tasks = [asyncio.create_task(batcher.submit([0]))]
        await asyncio.sleep(0.05)
        tasks += [asyncio.create_task(batcher.submit([i])) for i in range(1, 60)]
        await asyncio.sleep(0.05)
        assert batcher.depth == 59
        runner.free.set()
        await asyncio.gather(*tasks)
    assert runner.batches[0] == [0]
    assert len(runner.batches) < 30
    for report in case.reports:
        assert report.rows <= 8
        assert report.padded_tokens <= 120 or report.rows == 1
        assert report.tokens <= report.padded_tokens


async def test_rows_of_like_length_share_a_batch_and_the_oldest_goes_first() -> None:
    runner = Runner()
    runner.free.clear()
    async with Case(runner, batch=3) as batcher:
        first = asyncio.create_task(batcher.submit([0]))
        await asyncio.sleep(0.02)
        rest = [asyncio.create_task(batcher.submit([i])) for i in (90, 1, 89, 2, 88, 3)]
        await asyncio.sleep(0.02)
        runner.free.set()
        await asyncio.gather(first, *rest)
    assert [sorted(batch) for batch in runner.batches] == [[0], [88, 89, 90], [1, 2, 3]]


async def test_a_row_that_would_bring_more_padding_than_a_run_of_its_own_waits_for_its_like() -> None:
    runner = Runner()
    runner.free.clear()
    case = Case(runner, batch=8, row_padding=4)
    async with case as batcher:
        first = asyncio.create_task(batcher.submit([0]))
        await asyncio.sleep(0.02)
        rest = [asyncio.create_task(batcher.submit([i])) for i in (20, 60, 22, 26, 61, 19, 90)]
        await asyncio.sleep(0.02)
        runner.free.set()
        await asyncio.gather(first, *rest)
    assert [sorted(batch) for batch in runner.batches] == [[0], [19, 20, 22], [60, 61], [26], [90]]
    for report in case.reports:
        assert report.padded_tokens <= report.tokens + 4 * (report.rows - 1)


async def test_only_the_poisoned_row_fails() -> None:
    runner = Runner(bad=[7, 21])
    runner.free.clear()
    async with Case(runner, batch=32) as batcher:
        tasks = [asyncio.create_task(batcher.submit([i])) for i in range(32)]
        await asyncio.sleep(0.02)
        runner.free.set()
        results = [(await task)[0] for task in tasks]
        assert await batcher.submit([100]) == [200]
    for i, result in enumerate(results):
        assert isinstance(result, EngineFailed) if i in (7, 21) else result == 2 * i


async def test_a_wrong_row_count_is_a_failure_and_no_mix_up() -> None:
    class Short(Runner):
        def __call__(self, items: Sequence[int]) -> list[int]:
            return [1] if len(items) > 1 else super().__call__(items)

    runner = Short()
    async with Case(runner) as batcher:
        assert await batcher.submit([1, 2, 3]) == [2, 4, 6]


async def test_a_caller_that_leaves_hurts_nobody_and_its_rows_are_not_run() -> None:
    runner = Runner()
    runner.free.clear()
    async with Case(runner) as batcher:
        first = asyncio.create_task(batcher.submit([1]))
        await asyncio.sleep(0.02)
        leaving, staying = (asyncio.create_task(batcher.submit([i])) for i in (2, 3))
        await asyncio.sleep(0.02)
        leaving.cancel()
        await asyncio.sleep(0.02)
        assert batcher.depth == 1
        runner.free.set()
        assert await first == [2]
        assert await staying == [6]
    assert [2] not in runner.batches
    assert all(2 not in batch for batch in runner.batches)


async def test_a_request_that_does_not_fit_is_refused_whole_and_at_once() -> None:
    runner = Runner()
    runner.free.clear()
    async with Case(runner, rows=4) as batcher:
        first = asyncio.create_task(batcher.submit([1]))
        await asyncio.sleep(0.02)
        second = asyncio.create_task(batcher.submit([2, 3, 4]))
        await asyncio.sleep(0.02)
        with pytest.raises(Overloaded):
            await batcher.submit([5, 6])  # at once: nothing is free before the next lines
        assert batcher.depth == 3
        runner.free.set()
        assert await first == [2]
        assert await second == [4, 6, 8]


async def test_close_answers_what_was_accepted_and_refuses_the_rest() -> None:
    runner = Runner()
    runner.free.clear()
    case = Case(runner)
    async with case as batcher:
        accepted = [asyncio.create_task(batcher.submit([i])) for i in range(20)]
        await asyncio.sleep(0.02)
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0.02)
        assert not batcher.alive
        with pytest.raises(Closing):
            await batcher.submit([99])
        runner.free.set()
        assert await asyncio.gather(*accepted) == [[2 * i] for i in range(20)]
        await closing


async def test_a_submit_before_the_start_is_refused() -> None:
    with pytest.raises(Closing):
        await Case(Runner()).batcher.submit([1])


async def test_a_row_whose_deadline_passes_while_it_waits_is_not_run() -> None:
    runner = Runner()
    runner.free.clear()
    async with Case(runner) as batcher:
        first = asyncio.create_task(batcher.submit([1]))
        await asyncio.sleep(0.02)
        late = asyncio.create_task(batcher.submit([2, 3], time.monotonic() + 0.05))
        patient = asyncio.create_task(batcher.submit([4], time.monotonic() + 30))
        await asyncio.sleep(0.1)
        runner.free.set()
        assert await first == [2]
        assert all(isinstance(result, DeadlineExceeded) for result in await late)
        assert await patient == [8]
    assert runner.batches == [[1], [4]]


async def test_a_request_that_would_wait_too_long_is_refused_and_told_when_to_come_back() -> None:
    runner = Runner()
    runner.free.clear()
    async with Case(runner, wait_s=1.0) as batcher:
        batcher.expect(tokens_per_s=10.0)
        first = asyncio.create_task(batcher.submit([0]))
        await asyncio.sleep(0.02)
        waiting = asyncio.create_task(batcher.submit([24]))
        await asyncio.sleep(0.02)
        assert batcher.expected_wait_s == 2.5
        with pytest.raises(Overloaded) as refused:
            await batcher.submit([0])
        assert refused.value.headers() == {"retry-after": "3"}
        runner.free.set()
        assert [await first, await waiting] == [[0], [48]]


async def test_a_request_that_alone_cannot_meet_its_deadline_is_refused() -> None:
    async with Case(Runner()) as batcher:
        batcher.expect(tokens_per_s=10.0)
        with pytest.raises(TooLarge, match="need about 10 s, and 5 s are left"):
            await batcher.submit([49, 49], time.monotonic() + 5)
        assert await batcher.submit([49, 49], time.monotonic() + 11) == [98, 98]
        assert await batcher.submit([99], time.monotonic() + 5) == [198]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_what_ends_the_thread_answers_the_batch_in_flight_and_the_next_one_works() -> None:
    class Deadly(Runner):
        def __call__(self, items: Sequence[int]) -> list[int]:
            if 13 in items:
                raise SystemExit
            return super().__call__(items)

    case = Case(Deadly())
    async with case as batcher:
        (result,) = await batcher.submit([13])
        assert isinstance(result, EngineFailed)
        assert case.workers.problem is not None
        assert await batcher.submit([1]) == [2]


async def test_quick_rows_of_one_turn_are_one_batch_on_the_event_loop() -> None:
    runner = Runner()
    threads: list[int] = []
    case = Case(runner, quick_tokens=20)
    run = case.batcher.run_batch
    case.batcher.run_batch = lambda items: threads.append(threading.get_ident()) or run(items)  # type: ignore[func-returns-value]
    async with case as batcher:
        answers = await asyncio.gather(*(batcher.submit([i]) for i in range(4)))
        assert answers == [[0], [2], [4], [6]]
        assert runner.batches == [[0, 1, 2, 3]]
        assert set(threads) == {threading.get_ident()}
        assert await batcher.submit([50, 51]) == [100, 102]  # 103 tokens are too many
        assert threads[-1] != threading.get_ident()
        batcher.yields = True  # as a version in shadow
        assert await batcher.submit([1]) == [2]
        assert threads[-1] != threading.get_ident()


async def test_quick_rows_that_are_too_many_together_take_several_turns() -> None:
    runner = Runner()
    async with Case(runner, batch=3, quick_tokens=1000) as batcher:
        answers = await asyncio.gather(*(batcher.submit([i]) for i in range(8)))
    assert answers == [[2 * i] for i in range(8)]
    assert [len(batch) for batch in runner.batches] == [3, 3, 2]


async def test_a_quick_row_that_breaks_the_engine_or_is_late_fails_alone() -> None:
    async with Case(Runner(bad=[3]), quick_tokens=1000) as batcher:
        answers = await asyncio.gather(
            *(batcher.submit([i]) for i in range(5)), batcher.submit([7], deadline_s=time.monotonic() - 1)
        )
    assert [type(answer) for (answer,) in answers] == [int, int, int, EngineFailed, int, DeadlineExceeded]
