"""Every line that the service writes to its log: for people, or one JSON object each.

A line never holds an input, a label, a group or a score. The message of an error that another library raised
may quote its input, so only its type and place are written. Libraries' own lines below a warning are left out
for the same reason, whatever the level.
"""

from __future__ import annotations

import json
import logging
import time
import traceback
from types import TracebackType
from typing import Any, Literal, cast

from evenhand.service.settings import Level
from evenhand.service.tracing import CURRENT

OURS = ("evenhand", "uvicorn")
"""Loggers whose lines the level filters; other libraries write from a warning on."""
PLAIN = ("evenhand.",)
"""Packages whose error messages quote no input."""
MAX_FRAMES = 20
Failure = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def begin(chosen: Level, form: Literal["text", "json"]) -> None:
    """Write log lines to standard error from now on.

    Args:
        chosen: Least severe lines that are written.
        form: How they are written.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.captureWarnings(True)
    set_level(chosen)


def set_level(chosen: Level) -> None:
    """Write lines of at least this severity from now on."""
    for name in OURS:
        logging.getLogger(name).setLevel(chosen.upper())


def level() -> Level:
    """The least severe lines that are written."""
    return cast(Level, logging.getLevelName(logging.getLogger(OURS[0]).getEffectiveLevel()).lower())


def failure(error: BaseException) -> list[str]:
    """An error and those that led to it, the first one first: types, places, and messages without input."""
    lines: list[str] = []
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        lines = [*failure(before), "which led to"]
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    lines += [f"{frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    return [*lines, f"{type(error).__name__}{_quotable(error)}"]


def _quotable(error: BaseException) -> str:
    if type(error).__module__.startswith(PLAIN):
        return f": {error}"
    if isinstance(error, OSError) and error.strerror:
        return f": {error.strerror}"
    return ""


class TextLines(logging.Formatter):
    """For people: time, process, severity, message."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(message)s")

    def formatException(self, ei: Failure) -> str:  # noqa: N802 - the library's name
        """Where an error was raised, and what led to it."""
        return "\n".join(f"  {line}" for line in failure(ei[1])) if ei[1] is not None else ""


class JsonLines(logging.Formatter):
    """For programs: one JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        seconds, milliseconds = divmod(int(record.created * 1000), 1000)
        facts: dict[str, Any] = {
            "time": f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{milliseconds:03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage().strip(),
            "process": record.process,
        }
        if (trace := CURRENT.get()) is not None:
            facts |= {"request_id": trace.request_id, "trace_id": trace.trace_id}
        facts |= getattr(record, "facts", {})
        if record.exc_info and record.exc_info[1] is not None:
            facts["error"] = failure(record.exc_info[1])
        return json.dumps(facts, ensure_ascii=False)
