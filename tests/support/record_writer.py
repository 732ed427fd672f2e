"""Records until it is killed, and prints what is acknowledged: ``record_writer.py FOLDER URL``."""

import sys
from collections import deque
from concurrent.futures import Future
from pathlib import Path

from recording import batch, recorder

from evenhand.service.audit.events import AnsweredRows

WAITING = 50
"""Requests under way at a time."""


def main(folder: str, url: str) -> None:
    """Record for ever."""
    record = recorder(Path(folder), url, durability="request")
    under_way: deque[tuple[Future[None], AnsweredRows]] = deque()
    for seed in range(10**9):
        taken = batch(1 + seed % 3, seed, gender="Women")
        done = record.take(taken)
        assert done is not None
        under_way.append((done, taken))
        if len(under_way) > WAITING:
            acknowledged, rows = under_way.popleft()
            acknowledged.result(600)
            print("\n".join(row.id for row in rows.rows), flush=True)  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    main(*sys.argv[1:])
