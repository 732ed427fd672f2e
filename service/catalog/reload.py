"""Replaces bundles while requests are answered. A faulty bundle is refused, and the old one stays served."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import logging
from collections.abc import Iterable
from pathlib import Path

from evenhand.models.bundle.bundle import BundleError, read_manifest
from evenhand.service.audit.client import Note
from evenhand.service.catalog.loader import LoadedModel, Loader
from evenhand.service.catalog.registry import Registry, Slot
from evenhand.service.errors import BundleRefused, NotReady
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.metrics.grouped import series_of
from evenhand.service.resources import collect_memory

log = logging.getLogger(__name__)
NONE_NAMED = "no bundle to serve; name one: evenhand serve <folder>, or EVENHAND_BUNDLES=<folder>"
MOST_SERIES = 20_000
"""Grouped series of one process, at most."""
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that do not concern the bundle: the machine has no file handle or no memory left at the moment."""


def load_all(paths: Iterable[Path], loader: Loader) -> Registry:
    """Verify, load, warm and try every bundle at start; one that fails takes no other model down.

    Raises:
        BundleError: no bundle can be served, or two are the same version of the same model.
    """
    models: list[LoadedModel] = []
    failures: dict[str, BundleError] = {}
    for path in paths:
        try:
            model = loader.load(path)
        except BundleError as error:
            failures[_name_of(path)] = error
            continue
        if model.manifest.name in failures and all(m.manifest.name != model.manifest.name for m in models):
            # The first version of a name is live: a candidate must not become that by another one's fault.
            raise failures[model.manifest.name]
        models.append(model)
        _refuse_twice(models)
        _refuse_too_many(models)
    if not models:
        raise next(iter(failures.values()), BundleError(NONE_NAMED))
    for name, failure in failures.items():
        loader.metrics.reloaded(name, "refused")
        log.error("not served, the other bundles are: %s; mend it and start again", failure)
    registry = Registry(models)
    for model in models:
        live = model is registry.get(model.manifest.name)
        _begin_series(loader.metrics, model, live)
    return registry


def _begin_series(metrics: Metrics, model: LoadedModel, live: bool) -> None:
    metrics.add_model(model.manifest, model.bundle, live, model.normal)
    if model.features is not None:
        metrics.features.begin(model.manifest.name, model.features.series)


def _name_of(path: Path) -> str:
    """The model that a faulty bundle says it is; its folder's name where it says nothing readable."""
    try:
        return read_manifest(path)[0].name
    except BundleError:
        return path.name


def _refuse_twice(models: list[LoadedModel]) -> None:
    names = [(model.manifest.name, model.manifest.version) for model in models]
    if len(set(names)) < len(names):
        raise BundleError(
            f"two bundles are {' '.join(names[-1])}; another name serves another model, another version of "
            f"the same "
            "name can be tried beside the first"
        )


def _refuse_too_many(models: Iterable[LoadedModel]) -> None:
    """Too many series slow Prometheus down and cost money."""
    series = sum({model.manifest.name: series_of(model.manifest) for model in models}.values())
    if series > MOST_SERIES:
        raise BundleError(
            f"the models' groups make {series} series, more than {MOST_SERIES}; serve fewer models together, "
            f"or fit "
            "with fewer groups"
        )


class Reloader:
    """Loads new bundles from the folders of the served ones.

    Args:
        registry: Holds the served bundles.
        loader: Loads new bundles.
        note: Records which bundle took over or was refused.
    """

    def __init__(self, registry: Registry, loader: Loader, note: Note) -> None:
        self._registry = registry
        self._loader = loader
        self._note = note
        self._one_at_a_time = asyncio.Lock()
        self._stamps: dict[Path, object] = {}

    async def reload(self, slot: Slot) -> bool:
        """Serve the bundle that is in a slot's folder now.

        Returns:
            Whether it differs from the served bundle.

        Raises:
            BundleRefused: the bundle is not valid; the old one stays served.
            NotReady: the machine cannot read it at the moment; the old one stays served.
        """
        async with self._one_at_a_time:
            path = slot.model.path
            try:
                if (await asyncio.to_thread(read_manifest, path))[1] == slot.model.bundle:
                    slot.refused = None
                    return False
                new = await asyncio.to_thread(self._loader.load, path)
                self._refuse_other(slot, new)
            except BundleError as error:
                if isinstance(error.__cause__, OSError) and error.__cause__.errno in SHORTAGES:
                    raise NotReady(f"{error}; the old bundle stays served until it can be read") from error
                slot.refused = str(error)
                self._loader.metrics.reloaded(slot.model.manifest.name, "refused")
                self._note("reload", {"model": slot.model.manifest.name, "result": "refused"})
                log.error("reload refused, %s stays served: %s", slot.model.manifest.version, error)
                raise BundleRefused from error
            await self._take_over(slot, new)
        return True

    async def look(self) -> None:
        """Reload each bundle of which a file has changed. A half copied one is refused until it is complete.

        Raises:
            Exception: a folder could not be read; it is tried again. The other folders were checked.
        """
        failures = [await self._look_at(slot) for slot in self._registry.slots]
        for failure in failures:
            if failure is not None:
                raise failure

    async def _look_at(self, slot: Slot) -> Exception | None:
        path = slot.model.path
        try:
            stamp = await asyncio.to_thread(_stamp, path)
            if stamp is not None and stamp != self._stamps.get(path):
                with contextlib.suppress(BundleRefused):  # the log, the counters and /models show it
                    await self.reload(slot)
                self._stamps[path] = stamp
        except Exception as error:
            return error
        return None

    def _refuse_other(self, slot: Slot, new: LoadedModel) -> None:
        """A folder may change its version, not its model."""
        old = slot.model.manifest
        if new.manifest.name != old.name:
            raise BundleError(
                f"{new.path}: is {new.manifest.name} now and was {old.name}; restart to serve another model"
            )
        others = [model for model in self._registry.versions(old.name) if model is not slot.model]
        if any(model.manifest.version == new.manifest.version for model in others):
            raise BundleError(
                f"{new.path}: version {new.manifest.version} is loaded already, from another folder"
            )
        _refuse_too_many([new, *(other.model for other in self._registry.slots if other is not slot)])

    async def _take_over(self, slot: Slot, new: LoadedModel) -> None:
        """Route new rows to the new bundle; the old one answers the rows that it accepted."""
        name = new.manifest.name
        new.open(self._loader.workers, background=slot.model is self._registry.shadow_of(name))
        old = self._registry.replace(slot, new)
        self._loader.metrics.retire(old.manifest, old.bundle)
        _begin_series(self._loader.metrics, new, new is self._registry.get(name))
        self._loader.metrics.reloaded(name, "ok")
        changed = {"version": new.manifest.version, "bundle": new.bundle, "before": old.bundle}
        self._note("reload", {"model": name, "result": "ok", **changed})
        log.info("%s %s takes over from %s", name, new.manifest.version, old.manifest.version)
        await old.close()
        old.leave(self._loader.workers)
        del old
        await asyncio.to_thread(collect_memory)


def _stamp(path: Path) -> object:
    """A value that changes when a bundle is replaced, in place or by a link; ``None`` while it is incomplete.

    Raises:
        OSError: the machine cannot read the folder.
    """
    try:
        files = [(file, file.stat()) for file in sorted(path.rglob("*")) if file.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [(file, stat.st_mtime_ns, stat.st_size, stat.st_ino) for file, stat in files]
