"""From settings to the record of decisions."""

from __future__ import annotations

from service.metrics import Metrics
from service.record.recorder import Recorder, RecordOptions, RecordReport
from service.settings import Settings

OFF = "off"


def make_recorder(settings: Settings, metrics: Metrics) -> Recorder | None:
    """The record that is asked for; ``None`` where there is none.

    Raises:
        RecordRefused: its database cannot be used.
        KeyFileError: its key cannot be used.
    """
    if settings.record == OFF:
        return None
    options = RecordOptions(settings.state, settings.record, settings.durability, settings.feedback_days)
    return Recorder(options, RecordReport(metrics.recorded, metrics.spooled))
