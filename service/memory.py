"""Freed memory goes back to the system: the C library would keep it for later, and what is resident would creep."""

from __future__ import annotations

import asyncio
import ctypes
import gc

EVERY_S = 60.0


def give_back() -> None:
    """Return what is free; takes some milliseconds, none of them with the interpreter's lock."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def give_back_all() -> None:
    """Find what nobody holds any more, such as a replaced model in a cycle of references, then return it."""
    gc.collect()
    give_back()


async def give_back_regularly() -> float:
    """Give back once; returns the seconds until it is due again."""
    await asyncio.to_thread(give_back)
    return EVERY_S
