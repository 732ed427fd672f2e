"""From settings to the record of decisions."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from evenhand.service.audit.checkpoints import load_key
from evenhand.service.audit.events import event
from evenhand.service.audit.recorder import Recorder, RecordOptions, RecordReport
from evenhand.service.background import Background
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.settings import Settings

OFF = "off"
CHECKPOINT_KEY = "checkpoint.key"
REPLICA = socket.gethostname()[:64]
"""Who answered, as the record says it."""
Note = Callable[[str, dict[str, Any]], None]
"""Records what operators did: the kind of event, and its facts."""


def make_recorder(settings: Settings, metrics: Metrics, background: Background) -> Recorder | None:
    """The record that is asked for; ``None`` where there is none.

    Raises:
        RecordRefused: its database cannot be used.
        KeyFileError: its key cannot be used.
    """
    if settings.record == OFF:
        return None
    report = RecordReport(metrics.record.recorded, metrics.record.spooled)
    return Recorder(_options(settings), report, background)


def check(settings: Settings) -> None:
    """Say at once, and once for all workers, what is wrong with the record; a database that is away is waited for.

    Raises:
        RecordRefused: its database cannot be used.
        KeyFileError: its key cannot be used.
        CheckpointError: the key that signs its end cannot be used.
    """
    if settings.record == OFF:
        return
    recorder = Recorder(_options(settings), RecordReport(lambda *_: None, lambda _: None))
    recorder.start()
    recorder.close()
    load_key(settings.state / CHECKPOINT_KEY)


def note_in(recorder: Recorder | None) -> Note:
    """What writes down what operators did; nothing where nothing is recorded."""

    def note(kind: str, facts: dict[str, Any]) -> None:
        if recorder is not None:
            recorder.note(event(kind, {**facts, "replica": REPLICA}))

    return note


def _options(settings: Settings) -> RecordOptions:
    return RecordOptions(settings.state, settings.record, settings.durability, settings.feedback_days)
