"""What the application holds of the record: it hands over what happened, and asks what is known."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from evenhand.service.audit.chain import Event
from evenhand.service.audit.digest_keys import load_keys
from evenhand.service.audit.events import AnsweredRows
from evenhand.service.audit.feedback import Feedback, Joined, UnknownLabel
from evenhand.service.audit.join import Joiner
from evenhand.service.audit.maintenance.migrate import RecordRefused
from evenhand.service.audit.spool import Spool
from evenhand.service.audit.store import AWAY, InDoubt, RecordAway, Store
from evenhand.service.audit.writer import FLUSH_S, RecordReport, Writer
from evenhand.service.background import Background
from evenhand.service.ids import ulid_ms

__all__ = [
    "Feedback",
    "InDoubt",
    "Joined",
    "RecordAway",
    "RecordOptions",
    "RecordRefused",
    "RecordReport",
    "Recorder",
    "UnknownLabel",
]

FLUSH_WITHIN_S = 5.0
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class RecordOptions:
    """Where and how decisions are recorded."""

    folder: Path
    """The state folder: key, spool, and the database where no other is named."""
    url: str = ""
    """SQLAlchemy's URL; empty is SQLite in the state folder."""
    durability: Literal["request", "batch"] = "batch"
    """Whether ``take`` says when its records are on disk."""
    feedback_days: int = 90
    """What comes later than this after its decision is not joined."""


class Recorder:
    """The record of decisions, of one process.

    Args:
        options: Where and how.
        report: Told what became of records.
        background: Supervises the threads; its own where none is passed.

    Raises:
        KeyFileError: the key cannot be used.
        RecordRefused: the URL cannot be used.
    """

    def __init__(
        self, options: RecordOptions, report: RecordReport, background: Background | None = None
    ) -> None:
        options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.keys = load_keys(options.folder / "record.key")
        self._store = Store(options.url or f"sqlite:///{options.folder / 'record.db'}", self.keys.fingerprint)
        self.engine = self._store.engine
        """For reading; its transactions do not hold the database."""
        self._acknowledge = options.durability == "request"
        flush_s = 0.0 if self._acknowledge else FLUSH_S
        spool = Spool(options.folder / "spool", partial(report.rows, "lost"))
        self._writer = Writer(self._store, spool, self.keys, report, flush_s, background or Background())
        self._joiner = Joiner(self._store, self.keys, options.feedback_days, self._flush)

    @property
    def state(self) -> Literal["on", "spooling"]:
        """Whether the database is written to."""
        return "spooling" if self.problem or self.spooled else "on"

    @property
    def problem(self) -> str | None:
        """Why the database is not written to, in one sentence."""
        return self._writer.problem

    @property
    def spooled(self) -> int:
        """Records that are not in the database yet."""
        return self._writer.spooled

    @property
    def blockage(self) -> str | None:
        """Why no answer can leave now, at ``durability: request``; ``None`` if they can."""
        return self._writer.blockage if self._acknowledge else None

    def start(self) -> None:
        """Open the database and begin to write; one that is away is waited for, and the spool used meanwhile.

        Raises:
            RecordRefused: the database is not ours to write.
        """
        try:
            self._store.open()
        except AWAY as error:
            self._writer.gone(error)
        self._writer.start()

    def close(self) -> None:
        """Write what was taken, and let go of everything."""
        self._writer.close()
        self.engine.dispose()

    def take(self, batch: AnsweredRows) -> Future[None] | None:
        """Record decisions; returns at once, in any thread.

        Returns:
            At ``durability: request`` what is done once they are on disk, or ends with :class:`RecordAway`
            once they are dropped.
        """
        done: Future[None] | None = Future() if self._acknowledge else None
        self._writer.put(batch, len(batch.rows), done)
        return done

    def note(self, event: Event) -> None:
        """Record something else that happened; returns at once."""
        self._writer.put(event, 1, None)

    def feedback(self, items: list[Feedback]) -> list[Joined]:
        """Join true labels and groups to decisions; one result per item, on disk when this returns.

        Raises:
            RecordAway: the database is away; send them again.
        """
        return _asked(lambda: self._joiner.join(items))

    def decision(self, name: str) -> dict[str, Any] | None:
        """All that is on record about one decision.

        Its body with the configuration that made it, the ``events`` about it since, its ``seq`` and its
        ``link``.

        Raises:
            RecordAway: the database is away.
        """

        def ask() -> dict[str, Any] | None:
            found = self._store.decision(name)
            if found is None:  # it may be on its way to the database
                self._flush()
                found = self._store.decision(name)
            return found

        return _asked(ask) if ulid_ms(name) is not None else None

    def override(self, name: str, label: str, by: str, reason: str) -> dict[str, Any] | None:
        """Record that a person decided otherwise.

        Args:
            name: The decision.
            label: What was decided instead; one of the model's labels.
            by: Who did, as the operator names them.
            reason: Why.

        Returns:
            The event, or nothing if there is no such decision.

        Raises:
            RecordAway: the database is away.
            UnknownLabel: the model has no such label.
        """
        return _asked(lambda: self._joiner.override(name, label, by, reason))

    def _flush(self) -> None:
        self._writer.flush(FLUSH_WITHIN_S)


def _asked(ask: Callable[[], Found]) -> Found:
    """Ask the database."""
    try:
        return ask()
    except InDoubt:
        raise
    except (*AWAY, RecordRefused) as error:
        raise RecordAway("the record's database is away; try again later") from error
