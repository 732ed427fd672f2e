"""The audit client: what the application holds of the record of decisions.

It takes answered rows and operations, joins feedback, and looks decisions up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, ParamSpec, TypeVar

from evenhand.service.audit.chain import Event
from evenhand.service.audit.checkpoints import load_key
from evenhand.service.audit.digest_keys import load_keys
from evenhand.service.audit.elsewhere.bodies import ReportedRows
from evenhand.service.audit.elsewhere.waiting import Groups, WaitingGroups
from evenhand.service.audit.events import AnsweredRows, event
from evenhand.service.audit.feedback import Feedback, Joined, Joiner
from evenhand.service.audit.maintenance.migrate import RecordRefused
from evenhand.service.audit.record_batch import RecordBatch, make, make_reported
from evenhand.service.audit.spool import Spool
from evenhand.service.audit.store import AWAY, InDoubt, RecordAway, Store
from evenhand.service.audit.writer import FLUSH_S, RecordReport, Writer
from evenhand.service.background import Background
from evenhand.service.errors import RecordUnavailable, UnknownDecision
from evenhand.service.ids import ulid_ms
from evenhand.service.settings import Settings

OFF = "off"
CHECKPOINT_KEY = "checkpoint.key"
REPLICA = socket.gethostname()[:64]
"""Who answered, as the record names it."""
FLUSH_WITHIN_S = 5.0
THREADS = 4
"""Queries of the database run in so many threads, so that a slow one delays no tokenising."""
Parameters = ParamSpec("Parameters")
Reply = TypeVar("Reply")
Note = Callable[[str, dict[str, Any]], None]
"""Records an operation: the kind of event, and its facts."""


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Where and how decisions are recorded."""

    folder: Path
    """The state folder: key, spool, and the database where no other is named."""
    url: str = ""
    """SQLAlchemy's URL; empty is SQLite in the state folder."""
    durability: Literal["request", "batch"] = "batch"
    """Whether ``take`` says when its records are on disk."""
    feedback_days: int = 90
    """Feedback that comes later than this after its decision is not joined."""


class AuditClient:
    """The record of decisions, of one process.

    Args:
        options: Where and how.
        report: Counts what became of records.
        background: Supervises the threads; its own where none is passed.

    Raises:
        KeyFileError: the key cannot be used.
        RecordRefused: the URL cannot be used.
    """

    def __init__(
        self, options: AuditOptions, report: RecordReport, background: Background | None = None
    ) -> None:
        options.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.keys = load_keys(options.folder / "record.key")
        url = options.url or f"sqlite:///{options.folder / 'record.db'}"
        self._store = Store(url, self.keys.fingerprint, self.keys.pseudonym)
        self.engine = self._store.engine
        """For reading; its transactions do not lock the database."""
        self._acknowledge = options.durability == "request"
        flush_s = 0.0 if self._acknowledge else FLUSH_S
        spool = Spool(options.folder / "spool", partial(report.rows, "lost"))
        self._writer = Writer(self._store, spool, self.keys, report, flush_s, background or Background())
        flush = partial(self._writer.flush, FLUSH_WITHIN_S)
        self._joiner = Joiner(self._store, self.keys, options.feedback_days, flush)
        self._waiting = WaitingGroups(self._store)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="audit")

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
        """Open the database and begin to write; while it is down, records go to the spool.

        Raises:
            RecordRefused: the database is not ours to write.
        """
        try:
            self._store.open()
        except AWAY as error:
            self._writer.gone(error)
        self._writer.start()

    def close(self) -> None:
        """Write what was taken, and release threads, spool and database."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._writer.close()
        self.engine.dispose()

    def take(self, batch: AnsweredRows) -> Future[None] | None:
        """Record decisions; returns at once, in any thread.

        Returns:
            At ``durability: request`` a future that is done once they are on disk, or ends with
            :class:`evenhand.service.audit.store.RecordAway` once they are dropped.
        """
        done: Future[None] | None = Future() if self._acknowledge else None
        self._writer.put(batch, len(batch.rows), done)
        return done

    def take_reported(self, rows: ReportedRows) -> tuple[RecordBatch, Future[None]]:
        """Record decisions made elsewhere; for a thread that may work for a while.

        Returns:
            The batch, and a future that is done once it is on disk: then it says which rows were on record.
            The future ends with :class:`evenhand.service.audit.store.RecordAway` once they are dropped.
        """
        batch, done = make_reported(rows, self.keys), Future[None]()
        self._writer.put(batch, len(batch.events), done)
        return batch, done

    def write_once(self, batch: AnsweredRows) -> None:
        """Record decisions in the database itself, unless they are there; returns when they are.

        For work that is tried again after an interruption, with the same ids.

        Raises:
            RecordUnavailable: the database is down, or it is not known whether it stored them; try again.
        """
        _query(self._store.append, [make([batch], self.keys)], again=True)

    def note(self, event: Event) -> None:
        """Record an operation; returns at once."""
        self._writer.put(event, 1, None)

    async def call(
        self, query: Callable[Parameters, Reply], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Reply:
        """Run a query in a thread, such as :meth:`feedback` or :meth:`decision`."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, partial(query, *args, **kwargs)
        )

    def feedback(self, items: list[Feedback]) -> list[Joined]:
        """Join true labels and groups to decisions.

        Returns:
            One result per item; what is ``joined`` is on disk.

        Raises:
            RecordUnavailable: the database is down; send them again.
        """
        return _query(self._joiner.join, items)

    def has_own_id(self, own_id: str, model: str) -> bool:
        """Whether a decision of a model is in the database under an own id.

        Raises:
            RecordUnavailable: the database is down.
        """
        return _query(self._store.has_own_id, self.keys.own_id(own_id), model)

    def keep_groups(self, name: str, groups: Sequence[Groups]) -> None:
        """Keep a request's groups until its response comes; they are on disk when this returns.

        Raises:
            RecordUnavailable: the database is down, or too many requests wait.
        """
        _query(self._waiting.put, name, groups)

    def groups_waiting(self, name: str) -> list[Groups]:
        """The groups of a request; none where the database is down, or has none of this name."""
        try:
            return _query(self._waiting.read, name)
        except RecordUnavailable:  # the response is recorded all the same
            return []

    def drop_groups(self, name: str) -> None:
        """Forget a request's groups; where the database is down they go by themselves after a while."""
        with contextlib.suppress(RecordUnavailable):
            _query(self._waiting.drop, name)

    def requests_waiting(self) -> int:
        """Requests whose groups wait for their response.

        Raises:
            RecordUnavailable: the database is down.
        """
        return _query(self._waiting.number)

    def answers(self, names: list[str]) -> dict[str, str]:
        """The served labels of decisions that are on record, by id.

        Raises:
            RecordUnavailable: the database is down.
        """
        return _query(self._store.answers, names)

    def decision(self, name: str) -> dict[str, Any]:
        """All that is on record about one decision.

        Its body with the configuration that made it, the ``events`` about it since, its ``seq`` and its
        ``link``.

        Raises:
            RecordUnavailable: the database is down.
            UnknownDecision: there is no decision of this id.
        """
        if ulid_ms(name) is None:
            raise UnknownDecision
        body = _query(self._store.decision, name)
        if body is None:  # it may be on its way to the database
            self._writer.flush(FLUSH_WITHIN_S)
            body = _query(self._store.decision, name)
        if body is None:
            raise UnknownDecision
        return body

    def override(self, name: str, label: str, by: str, reason: str) -> dict[str, Any]:
        """Record that a person decided otherwise.

        Args:
            name: The decision.
            label: What was decided instead; one of the model's labels.
            by: Who did, as the operator names them.
            reason: Why.

        Returns:
            The event's body.

        Raises:
            RecordUnavailable: the database is down.
            UnknownDecision: there is no decision of this id.
            InvalidInput: the model has no such label.
        """
        return _query(self._joiner.override, name, label, by, reason)


def make_client(settings: Settings, report: RecordReport, background: Background) -> AuditClient | None:
    """The client of the record that the settings name; ``None`` where nothing is recorded.

    Raises:
        RecordRefused: its database cannot be used.
        KeyFileError: its key cannot be used.
    """
    return None if settings.record == OFF else AuditClient(_options(settings), report, background)


def check(settings: Settings) -> None:
    """Refuse settings of a record that cannot be used, once for all workers; a database may be down.

    Raises:
        RecordRefused: its database cannot be used.
        KeyFileError: its key cannot be used.
        CheckpointError: the key that signs its end cannot be used.
    """
    if settings.record == OFF:
        return
    client = AuditClient(_options(settings), RecordReport(lambda *_: None, lambda _: None))
    client.start()
    client.close()
    load_key(settings.state / CHECKPOINT_KEY)


def note_in(client: AuditClient | None) -> Note:
    """A function that records operations; it does nothing where nothing is recorded."""

    def note(kind: str, facts: dict[str, Any]) -> None:
        if client is not None:
            client.note(event(kind, {**facts, "replica": REPLICA}))

    return note


def _options(settings: Settings) -> AuditOptions:
    return AuditOptions(settings.state, settings.record, settings.durability, settings.feedback_days)


def _query(query: Callable[Parameters, Reply], *args: Parameters.args, **kwargs: Parameters.kwargs) -> Reply:
    """Query the database.

    Raises:
        RecordUnavailable: it is down, or it is not known whether it stored something.
    """
    try:
        return query(*args, **kwargs)
    except InDoubt:
        raise
    except (*AWAY, RecordRefused) as error:
        raise RecordAway(error) from error
