"""Freed memory goes back to the system."""

import ctypes

import psutil
import pytest

from evenhand.service.resources import collect_memory


def resident_mb() -> float:
    megabytes: float = psutil.Process().memory_info().rss / 1e6
    return megabytes


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="this C library has no malloc_trim")
def test_what_was_freed_is_no_longer_resident() -> None:
    # Many small pieces with a last one that stays: the C library keeps such memory unless it is told.
    pieces = [bytes(1000) for _ in range(200_000)]
    kept = pieces[-1]
    full = resident_mb()
    del pieces
    collect_memory()
    assert full - resident_mb() > 100
    assert len(kept) == 1000
