"""Loads a bundle: verified, warmed and tried with canary rows."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.encoders.unusual import FeatureCheck
from evenhand.models.bundle.inputs import Encoder
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.reference import Normal
from evenhand.models.bundle.runtime_onnx import Session
from evenhand.models.bundle.terms import Swapper
from evenhand.service.audit.events import Configuration, configuration
from evenhand.service.catalog.trial import TriedBundle, try_bundle
from evenhand.service.inference.batcher import Batcher, BatchReport, Limits
from evenhand.service.inference.engine import Alone, Engine
from evenhand.service.inference.workers import Workers
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.resources import cores
from evenhand.service.settings import Settings
from evenhand.service.tracing import traced
from evenhand.service.types import Example, Scores

log = logging.getLogger(__name__)
CPU = "CPUExecutionProvider"
SPIN_US = 200
"""Microseconds of busy waiting between two operators at most. Without it a single row takes a quarter longer;
longer waits gain nothing."""
QUICK_ROWS = 2
"""How many times the time of a quick row a batch of quick rows may take."""
PROVIDERS = {
    "cpu": (CPU,),
    "cuda": ("CUDAExecutionProvider", CPU),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", CPU),
}


@dataclass(frozen=True, eq=False)
class Check:
    """How counterfactuals of a model's rows are made and scored."""

    swapper: Swapper
    batcher: Batcher[Example, Scores]
    """A second queue, whose rows run only while no other row waits."""


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """One verified bundle, ready to answer."""

    path: Path
    manifest: Manifest
    bundle: str
    """Hash that names the bundle."""
    encoder: Encoder
    engine: Engine
    batcher: Batcher[Example, Scores]
    normal: Mapping[str, Normal]
    """Figures of validation by attribute."""
    configuration: Configuration
    """The model as the record describes it."""
    check: Check | None = None
    """Set if a share of its rows gets counterfactuals."""
    features: FeatureCheck | None = None
    """What rows of a table are compared with."""

    def open(self, workers: Workers, background: bool = False) -> None:
        """Accept rows from now on, on the running event loop."""
        self.batcher.start()
        workers.add(self.batcher, background)
        if self.check is not None:
            self.check.batcher.start()
            workers.add(self.check.batcher, background=True)

    async def close(self) -> None:
        """Refuse new rows, and wait until all accepted ones are answered."""
        await self.batcher.close()
        if self.check is not None:
            await self.check.batcher.close()

    def leave(self, workers: Workers) -> None:
        """Remove the queues from the engine threads."""
        workers.remove(self.batcher)
        if self.check is not None:
            workers.remove(self.check.batcher)


@dataclass(frozen=True)
class Loader:
    """Loads the models of one process."""

    settings: Settings
    workers: Workers
    metrics: Metrics

    def load(self, path: Path) -> LoadedModel:
        """Verify, load, warm and try a bundle. It takes a second or more; a reload calls it in a thread.

        Raises:
            BundleError: the bundle is not valid, or fails when it is tried.
        """
        settings, limits = self.settings, limits_of(self.settings)
        tried = try_bundle(
            path, session_of(settings), self._alone(), (limits.batch_rows, limits.batch_tokens)
        )
        bundle, manifest, engine = tried.bundle, tried.bundle.manifest, tried.engine
        tokens_per_s = tried.tokens / tried.seconds
        limits = replace(limits, quick_tokens=self._quick_tokens(tried, tokens_per_s))
        run = engine.run_here if limits.quick_tokens else engine.run
        run_batch = traced(run) if settings.otlp_endpoint else run

        def report(run: BatchReport) -> None:
            if self.workers.in_background(batcher):  # a version in shadow has series of its own
                self.metrics.candidate_batch(manifest, run.seconds)
                return
            self.metrics.batch(manifest.name, run.rows, run.tokens, run.padded_tokens, run.seconds)
            self.metrics.queued(manifest.name, run.queued_s)

        batcher = Batcher(run_batch, _tokens, limits, self.workers.wake, report)
        batcher.expect(tokens_per_s)
        self.workers.allow(tried.seconds)
        recorded = configuration(manifest, bundle.sha256)
        check = self._check(manifest, engine, tried.swapper, tokens_per_s) if settings.flip_share else None
        encoder = tried.encoder
        features = FeatureCheck(encoder.features) if isinstance(encoder, TableEncoder) else None
        return LoadedModel(
            path, manifest, bundle.sha256, encoder, engine, batcher, tried.normal, recorded, check, features
        )

    def _quick_tokens(self, tried: TriedBundle, tokens_per_s: float) -> int:
        """Tokens of the largest batch that a proxy runs on its event loop; 0 if even a row takes too long."""
        most_s, name = self.settings.proxy_quick_s, tried.bundle.manifest.name
        if not self.settings.proxy_upstream or not most_s or self.settings.provider != "cpu":
            return 0
        row_s = tried.engine.row_s()
        if row_s > most_s:
            log.info("%s: a row takes %.1f ms, so its graph runs in threads of its own", name, 1000 * row_s)
            return 0
        tokens = max(tried.row_tokens, int(tokens_per_s * most_s * QUICK_ROWS))
        log.info(
            "%s: a row takes %.2f ms, so up to %d rows at a time run without a change of thread",
            name,
            1000 * row_s,
            tokens // tried.row_tokens,
        )
        return tokens

    def _alone(self) -> Alone | None:
        """How a single run gets all cores; ``None`` if it has them."""
        wide = wide_of(self.settings)
        return None if wide is None else Alone(wide, lambda: self.workers.is_alone)

    def _check(
        self, manifest: Manifest, engine: Engine, swapper: Swapper | None, tokens_per_s: float
    ) -> Check | None:
        """A queue for counterfactuals with batches of one row: other rows wait for at most one of them."""
        if swapper is None:
            log.warning(
                "%s: EVENHAND_FLIP_SHARE has nothing to swap in it; a model of texts needs terms, which "
                "evenhand flip --into adds to a copy, and a model of a table a column of its attributes",
                manifest.name,
            )
            return None
        self.metrics.fairness.begin_flips(manifest.name, swapper.attributes)
        limits = replace(limits_of(self.settings), batch_rows=1)
        batcher = Batcher(
            engine.run,
            _tokens,
            limits,
            self.workers.wake,
            lambda run: self.metrics.fairness.flip_seconds(manifest.name, run.seconds),
        )
        batcher.expect(tokens_per_s)
        return Check(swapper, batcher)


def _tokens(example: Example) -> int:
    return example.encoded.tokens


def limits_of(settings: Settings) -> Limits:
    """Bounds of the queue and of a batch.

    On a processor large batches gain nothing, padding costs as much as text, and a separate run costs about
    as much as four tokens. On a GPU small batches leave the device idle.
    """
    rows, tokens, padding = (64, 512, 4) if settings.provider == "cpu" else (256, 16_384, 16_384)
    return Limits(
        queue_rows=settings.max_queue_rows,
        batch_rows=settings.max_batch_rows or rows,
        batch_tokens=settings.max_batch_tokens or tokens,
        row_padding=settings.max_row_padding or padding,
        wait_s=settings.max_wait_s,
        workers=engine_workers(settings),
    )


def engine_workers(settings: Settings) -> int:
    """Batches that run at the same time in one process."""
    if settings.lanes:
        return settings.lanes
    return max(1, cores() // settings.workers) if settings.provider == "cpu" else 1


def session_of(settings: Settings) -> Session:
    """How graphs run: workers share the cores, and no thread waits busily for a core that another needs."""
    threads = settings.threads or max(1, cores() // (settings.workers * engine_workers(settings)))
    return Session(
        threads, PROVIDERS[settings.provider], spin_us=0 if engine_workers(settings) > 1 else SPIN_US
    )


def wide_of(settings: Settings) -> Session | None:
    """How a single run uses all cores; ``None`` if there are no other workers' cores to use."""
    threads = max(1, cores() // settings.workers)
    if settings.provider != "cpu" or settings.threads or engine_workers(settings) == 1 or threads == 1:
        return None
    return Session(threads, PROVIDERS[settings.provider], SPIN_US)
