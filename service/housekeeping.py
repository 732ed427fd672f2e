"""Housekeeping of the record: sequential evidence, in one process of all, signed checkpoints, retention."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from evenhand.models.bundle.aims import aims_of
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.reference import Normal
from evenhand.service.audit.checkpoints import checkpoint, load_key
from evenhand.service.audit.client import CHECKPOINT_KEY, AuditClient
from evenhand.service.audit.maintenance.age import Held, Limits, held, mark
from evenhand.service.audit.maintenance.retention import prune
from evenhand.service.background import Background
from evenhand.service.catalog.registry import Registry
from evenhand.service.metrics.audit_series import HELD
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.monitoring.sequential.evaluator import Evaluator
from evenhand.service.monitoring.sequential.evidence import EvidenceSettings
from evenhand.service.monitoring.sequential.verdicts import Kept, findings
from evenhand.service.settings import Settings

log = logging.getLogger(__name__)
EVALUATE_S = 2.0
"""How often new records are looked for."""
JUMP_S = 60.0
"""A clock that is set by so much, forward or back, may be wrong now, or may have been before."""


class Housekeeping:
    """The threads that read the record of one process.

    Args:
        audit: The record.
        registry: The models whose evidence is shown.
        settings: What the operator asks for.
        metrics: Where evidence is shown.
        background: Supervises the threads.
    """

    def __init__(
        self,
        audit: AuditClient,
        registry: Registry,
        settings: Settings,
        metrics: Metrics,
        background: Background,
    ) -> None:
        self._audit, self._registry, self._metrics = audit, registry, metrics
        self._rules = EvidenceSettings(
            settings.gap_limit, settings.days_per_false_alarm, rows=settings.min_rows
        )
        self._evaluator = Evaluator(audit.engine, audit.keys, self._rules, EVALUATE_S, self._show, background)
        self._key = load_key(settings.state / CHECKPOINT_KEY)
        self._every_s = settings.checkpoint_s
        days = settings.keep_decisions_days, settings.keep_attributes_days
        self._limits = Limits(*days, settings.prune_share)
        self.held: Held | None = None
        """Why nothing is pruned by age, as of the last round."""
        self._kept: Sequence[Kept] = ()
        self._apart_s = time.time() - time.monotonic()
        self._thread = background.thread("housekeeping", self._round)

    def start(self) -> None:
        """Start the threads."""
        self._evaluator.start()
        self._thread.start(self._every_s)

    def stop(self) -> None:
        """Stop the threads, before the record is closed."""
        self._evaluator.close()
        self._thread.stop()

    def sign(self) -> None:
        """Sign where the chain ends, now."""
        try:
            signed = checkpoint(self._audit.engine, self._key)
        except SQLAlchemyError as error:
            log.warning("the record's head was not signed: the database is down (%s)", type(error).__name__)
        else:
            if signed is not None:
                log.info("checkpoint, to be kept elsewhere: %s", signed.line())

    def findings(self, manifest: Manifest, normal: Mapping[str, Normal]) -> list[dict[str, Any]]:
        """What the evidence says of a model, as of the last look.

        Args:
            manifest: The model's.
            normal: Figures of its validation.
        """
        counted = manifest.counted
        aims = aims_of(manifest.target, [each.name for each in counted], normal, self._rules.gap)
        return findings(self._kept, manifest.name, counted, self._rules, aims)

    def _show(self, kept: list[Kept]) -> None:
        self._kept = kept
        for model in self._registry.live():
            for finding in self.findings(model.manifest, model.normal):
                series = [finding[name] for name in ("model", "attribute", "group", "metric", "process")]
                limit_ln = finding["limit_ln"] if finding["role"] == "target" else None
                self._metrics.record.evidence(series, finding["ln"], limit_ln)

    def _round(self) -> float:
        """Delete what is too old, and sign what remains; returns the seconds until the next round.

        What is deleted does not come back when a wrong clock is set right. So a round after a jump of the
        clock deletes nothing. :mod:`evenhand.service.audit.maintenance.age` says when nothing is deleted by a
        clock that ran evenly.
        """
        apart_s = time.time() - time.monotonic()
        if abs(apart_s - self._apart_s) > JUMP_S:
            jump_s = apart_s - self._apart_s
            log.warning("the clock was set by %+.0f s; nothing is pruned by age this time", jump_s)
        else:
            self._prune()
        self.sign()
        self._apart_s = apart_s  # not before: a round that fails is tried again soon, still after the jump
        return self._every_s

    def _prune(self) -> None:
        limits, engine, now_ms = self._limits, self._audit.engine, time.time_ns() // 1_000_000
        try:
            self._hold(held(engine, limits, now_ms))
            if self.held is not None:
                return
            gone = prune(engine, limits.keep_decisions_days, limits.keep_attributes_days, now_ms)
            mark(engine, now_ms)
        except SQLAlchemyError as error:
            log.warning("old records were not pruned: the database is down (%s)", type(error).__name__)
        else:
            if gone.records or gone.attributes:
                log.info(
                    "pruned %d records and %d sensitive attributes by age", gone.records, gone.attributes
                )

    def _hold(self, why: Held | None) -> None:
        """Show why nothing is pruned by age, and log each change of that."""
        if why is not None and (self.held is None or self.held.reason != why.reason):
            log.error("old records stay: %s", why.message)
        elif why is None and self.held is not None:
            log.warning("old records are pruned by age again")
        self.held = why
        for reason in HELD:
            rows = why.rows if why is not None and why.reason == reason else 0
            self._metrics.record.prune_held(reason, rows)
