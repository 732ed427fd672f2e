"""A folder to a model that is ready to answer: verified, loaded, warmed and tried."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from evenhand.models.bundle import reference
from evenhand.models.bundle.bundle import Bundle, BundleError, load
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoder
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.reference import Normal
from evenhand.models.bundle.runtime_onnx import Session
from evenhand.models.bundle.terms import Swapper, make_swapper, read_terms
from evenhand.service.audit.events import Configuration, configuration
from evenhand.service.inference.batcher import Batcher, BatchReport, Limits
from evenhand.service.inference.engine import Alone, Engine
from evenhand.service.inference.workers import Workers
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.resources import cores
from evenhand.service.settings import Settings
from evenhand.service.tracing import watched
from evenhand.service.types import Example, Scores

log = logging.getLogger(__name__)
CPU = "CPUExecutionProvider"
SPIN_US = 200
"""Between two operators so long at most: without it a row that is alone takes a quarter longer, with more nothing is
gained."""
PROVIDERS = {
    "cpu": (CPU,),
    "cuda": ("CUDAExecutionProvider", CPU),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", CPU),
}


@dataclass(frozen=True, eq=False)
class Check:
    """How a model is asked again about a row with another group in it."""

    swapper: Swapper
    batcher: Batcher[Example, Scores]
    """Beside the model's own: its rows get the engine when no other row wants it."""


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
    """By attribute what was normal in validation."""
    configuration: Configuration
    """What the record says of it."""
    check: Check | None = None
    """Where a share of its rows is to be asked about again, and can be."""

    def open(self, workers: Workers, background: bool = False) -> None:
        """Begin to take rows, on the running event loop."""
        self.batcher.start()
        workers.add(self.batcher, background)
        if self.check is not None:
            self.check.batcher.start()
            workers.add(self.check.batcher, background=True)

    async def close(self) -> None:
        """Answer what was taken, and take no more."""
        await self.batcher.close()
        if self.check is not None:
            await self.check.batcher.close()

    def leave(self, workers: Workers) -> None:
        """Let go of the engine threads."""
        workers.remove(self.batcher)
        if self.check is not None:
            workers.remove(self.check.batcher)


@dataclass(frozen=True)
class Loader:
    """What every model of a process is loaded with."""

    settings: Settings
    workers: Workers
    metrics: Metrics

    def load(self, path: Path) -> LoadedModel:
        """Verify, load, warm and try a bundle; takes a second or more, in a thread while others are served.

        Raises:
            BundleError: it does not hold.
        """
        bundle = load(path)
        manifest, settings = bundle.manifest, self.settings
        try:
            normal = reference.read(bundle.reference, bundle.evaluation)
            encoder = make_encoder(bundle.preprocess, manifest.input)
            engine = Engine(bundle, encoder, session_of(settings), self._alone(manifest))
            limits = limits_of(settings)
            seconds, tokens = engine.warm(limits.batch_rows, limits.batch_tokens)
            swapper = _swapper(bundle, encoder)
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"{path}: {error}") from error
        run_batch = watched(engine.run) if settings.otlp_endpoint else engine.run

        def report(run: BatchReport) -> None:
            if self.workers.in_background(
                batcher
            ):  # what a version in shadow takes must not look like the live one's
                self.metrics.candidate_batch(manifest, run.seconds)
                return
            self.metrics.batch(manifest.name, run.rows, run.tokens, run.padded_tokens, run.seconds)
            self.metrics.queued(manifest.name, run.queued_s)

        batcher = Batcher(run_batch, _tokens, limits, self.workers.wake, report)
        batcher.expect(tokens / seconds)
        self.workers.allow(seconds)
        recorded = configuration(manifest, bundle.sha256)
        check = self._check(manifest, engine, swapper, tokens / seconds) if settings.flip_share else None
        return LoadedModel(path, manifest, bundle.sha256, encoder, engine, batcher, normal, recorded, check)

    def _alone(self, manifest: Manifest) -> Alone | None:
        """How a run that is alone has all cores; none where it has them anyway, or a model cannot be there twice."""
        wide = wide_of(self.settings)
        return (
            None
            if wide is None or manifest.graph.engine != "onnx"
            else Alone(wide, lambda: self.workers.is_alone)
        )

    def _check(
        self, manifest: Manifest, engine: Engine, swapper: Swapper | None, tokens_per_s: float
    ) -> Check | None:
        """A queue of its own, row by row, so that a row that waits for an answer waits for one of them at most."""
        if swapper is None:
            log.warning(
                "%s: EVENHAND_FLIP_SHARE has nothing to swap in it; a model of texts needs terms, which evenhand flip "
                "--into adds to a copy, and a model of a table a column of its attributes",
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


def _swapper(bundle: Bundle, encoder: Encoder) -> Swapper | None:
    """What swaps a bundle's rows.

    Raises:
        ValueError: the terms that it brings cannot be used.
    """
    features = encoder.features if isinstance(encoder, TableEncoder) else None
    terms = read_terms(bundle.swaps) if bundle.swaps else None
    return make_swapper(bundle.manifest, features, terms)


def _tokens(example: Example) -> int:
    return example.encoded.tokens


def limits_of(settings: Settings) -> Limits:
    """Bounds of the queue and of a batch.

    A processor gains nothing from large batches and pays for padding as for text; a run of its own costs a
    row about as much as four tokens. A GPU is idle in small ones.
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
    """How graphs are run: cores are shared out, and no thread waits busily for the cores that others need."""
    threads = settings.threads or max(1, cores() // (settings.workers * engine_workers(settings)))
    return Session(
        threads, PROVIDERS[settings.provider], spin_us=0 if engine_workers(settings) > 1 else SPIN_US
    )


def wide_of(settings: Settings) -> Session | None:
    """How a run that is alone is run; ``None`` where workers have no cores to take from each other."""
    threads = max(1, cores() // settings.workers)
    if settings.provider != "cpu" or settings.threads or engine_workers(settings) == 1 or threads == 1:
        return None
    return Session(threads, PROVIDERS[settings.provider], SPIN_US)
