"""Thousands of good, bad and abandoned submits at random; then it works, nothing is left, counts add up."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence

from evenhand.service.errors import EngineFailed, Overloaded
from evenhand.service.inference.batcher import Batcher, Limits
from evenhand.service.inference.workers import Workers


async def test_chaos_ends_every_submit_exactly_once() -> None:
    rng = random.Random(7)
    run: Counter[int] = Counter()

    def runner(items: Sequence[int]) -> list[int]:
        time.sleep(rng.random() * 0.002)
        if any(item % 17 == 0 for item in items):
            raise ValueError("poisoned")
        run.update(items)
        return [-item for item in items]

    outcomes: Counter[str] = Counter()
    workers = Workers(2, lambda: None, stall_s=30.0)
    batcher: Batcher[int, int] = Batcher(
        runner, lambda i: i % 50 + 1, Limits(300, 16, 400), workers.wake, lambda _: None
    )
    batcher.start()
    workers.add(batcher)
    await workers.start()

    async def client(number: int) -> None:
        await asyncio.sleep(rng.random() * 1.5)
        items = [number * 10 + offset for offset in range(rng.randint(1, 6))]
        task = asyncio.create_task(batcher.submit(items))
        if rng.random() < 0.2:
            await asyncio.sleep(rng.random() * 0.02)
            task.cancel()
        try:
            results = await task
        except asyncio.CancelledError:
            outcomes["left"] += 1
        except Overloaded:
            outcomes["refused"] += 1
        else:
            outcomes["answered"] += 1
            for item, result in zip(items, results, strict=True):
                assert isinstance(result, EngineFailed) if item % 17 == 0 else result == -item

    await asyncio.gather(*(client(number) for number in range(4000)))
    assert sum(outcomes.values()) == 4000
    assert min(outcomes["left"], outcomes["answered"]) > 100
    assert batcher.alive
    assert await batcher.submit([1]) == [-1]
    assert batcher.depth == 0
    await batcher.close()
    await workers.stop()

    assert max(run.values()) == 1 or run.most_common(1)[0][0] == 1
