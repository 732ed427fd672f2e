"""How severe a line must be to be written; changed while the service runs."""

from __future__ import annotations

import logging
from typing import Literal, cast

Level = Literal["debug", "info", "warning", "error"]
OURS = ("evenhand", "uvicorn")
"""Whose lines the level decides on; those of other libraries are written from a warning on."""


def set_level(chosen: Level) -> None:
    """Write lines of at least this severity."""
    for name in OURS:
        logging.getLogger(name).setLevel(chosen.upper())


def level() -> Level:
    """The least severe lines that are written."""
    return cast(Level, logging.getLevelName(logging.getLogger(OURS[0]).getEffectiveLevel()).lower())
