"""The loaded models by name. The service never guesses which one is meant."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from models.bundle import Bundle, BundleError, load
from models.encoders import make_encoder
from models.inputs import Encoder
from models.manifest import Manifest, Mode
from service.batcher import Batcher, BatchReport, Limits
from service.engine import Engine
from service.errors import InvalidInput, UnknownModel
from service.metrics import Metrics
from service.settings import Settings
from service.tracing import watched
from service.types import Example, Scores


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """One verified bundle, ready to answer."""

    bundle: Bundle
    encoder: Encoder
    engine: Engine
    batcher: Batcher[Example, Scores]
    modes: tuple[Mode, ...]
    """One per attribute."""

    @property
    def manifest(self) -> Manifest:
        """What the bundle says about itself."""
        return self.bundle.manifest


class Registry:
    """All models of one process."""

    def __init__(self, models: Sequence[LoadedModel]) -> None:
        self.models = {model.manifest.name: model for model in models}

    def get(self, name: str | None, version: str | None = None) -> LoadedModel:
        """Find the model that a request means.

        Raises:
            UnknownModel: none of that name and version is served.
            InvalidInput: no name was given and several are served.
        """
        if name is None:
            if len(self.models) != 1:
                raise InvalidInput("several models are served: name one in the field model; GET /models lists them")
            return next(iter(self.models.values()))
        found = self.models.get(name)
        if found is None or version not in (None, found.manifest.version):
            raise UnknownModel
        return found


def load_all(paths: Sequence[Path], settings: Settings, executor: Executor, metrics: Metrics) -> Registry:
    """Verify, load and warm every bundle.

    Raises:
        BundleError: one does not hold, or two have the same name, or there is none.
    """
    if not paths:
        raise BundleError("no bundle to serve; name one: evenhand serve <folder>, or EVENHAND_BUNDLES=<folder>")
    models = [_load_one(path, settings, executor, metrics) for path in paths]
    names = [model.manifest.name for model in models]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise BundleError(f"two bundles are named {', '.join(sorted(twice))}; names must differ")
    for model in models:
        metrics.add_model(model.manifest, model.bundle.sha256, lambda batcher=model.batcher: batcher.depth)  # type: ignore[misc]
    return Registry(models)


def _load_one(path: Path, settings: Settings, executor: Executor, metrics: Metrics) -> LoadedModel:
    bundle = load(path)
    manifest = bundle.manifest
    try:
        encoder = make_encoder(bundle.preprocess, manifest.input)
        engine = Engine(bundle, settings.threads, settings.provider)
        engine.canary(encoder, manifest)
    except (ValueError, RuntimeError) as error:
        raise BundleError(f"{path}: {error}") from error

    def report(run: BatchReport) -> None:
        metrics.batch(manifest.name, run.rows, run.tokens, run.padded_tokens, run.seconds)
        for seconds in run.queued_s:
            metrics.queued(manifest.name, seconds)

    limits = Limits(settings.max_queue_rows, settings.max_batch_rows, settings.max_batch_tokens)
    run_batch = watched(engine.run) if settings.otlp_endpoint else engine.run
    batcher = Batcher(run_batch, lambda example: example.encoded.tokens, limits, executor, report)
    modes = tuple(attribute.mode for attribute in manifest.attributes)
    return LoadedModel(bundle, encoder, engine, batcher, modes)
