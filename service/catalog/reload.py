"""New bundles in the place of old ones, while requests are answered. A bad one is refused, and the old one stays."""

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
from evenhand.service.metrics.grouped import series_of
from evenhand.service.resources import collect_memory

log = logging.getLogger(__name__)
MOST_SERIES = 20_000
"""Grouped series of one process, at most."""
SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that say nothing of a bundle: the machine has no file or no memory left at the moment."""


def load_all(paths: Iterable[Path], loader: Loader) -> Registry:
    """Verify, load, warm and try every bundle at start.

    Raises:
        BundleError: one does not hold, two are the same version of the same model, or there is none.
    """
    models: list[LoadedModel] = []
    for path in paths:
        models.append(loader.load(path))
        _refuse_twice(models)
        _refuse_too_many(models)
    if not models:
        raise BundleError(
            "no bundle to serve; name one: evenhand serve <folder>, or EVENHAND_BUNDLES=<folder>"
        )
    registry = Registry(models)
    for model in models:
        live = model is registry.get(model.manifest.name)
        loader.metrics.add_model(model.manifest, model.bundle, live, model.normal)
    return registry


def _refuse_twice(models: list[LoadedModel]) -> None:
    names = [(model.manifest.name, model.manifest.version) for model in models]
    if len(set(names)) < len(names):
        raise BundleError(
            f"two bundles are {' '.join(names[-1])}; another name serves another model, another version of the same "
            "name can be tried beside the first"
        )


def _refuse_too_many(models: Iterable[LoadedModel]) -> None:
    """Prometheus suffers from too many series, and whoever pays for it."""
    series = sum({model.manifest.name: series_of(model.manifest) for model in models}.values())
    if series > MOST_SERIES:
        raise BundleError(
            f"the models' groups make {series} series, more than {MOST_SERIES}; serve fewer models together, or fit "
            "with fewer groups"
        )


class Reloader:
    """Looks after the folders that bundles came from.

    Args:
        registry: Whose bundles.
        loader: Loads new ones.
        note: Writes down what took over and what was refused.
    """

    def __init__(self, registry: Registry, loader: Loader, note: Note) -> None:
        self._registry = registry
        self._loader = loader
        self._note = note
        self._one_at_a_time = asyncio.Lock()
        self._stamps: dict[Path, object] = {}

    async def reload(self, slot: Slot) -> bool:
        """Serve what lies in a slot's folder now.

        Returns:
            Whether it was another bundle than the one that is served.

        Raises:
            BundleRefused: it does not hold; the old one goes on.
            NotReady: the machine cannot read it at the moment; so it does.
        """
        async with self._one_at_a_time:
            path = slot.model.path
            try:
                if (await asyncio.to_thread(read_manifest, path))[1] == slot.model.bundle:
                    slot.refused = None
                    return False
                new = await asyncio.to_thread(self._load, path)
                self._refuse_other(slot, new)
            except BundleError as error:
                if isinstance(error.__cause__, OSError) and error.__cause__.errno in SHORTAGES:
                    raise NotReady(f"{error}; the old bundle stays served until it can be read") from error
                slot.refused = str(error)
                self._loader.metrics.reloaded(slot.model.manifest.name, "refused")
                self._note("reload", {"model": slot.model.manifest.name, "result": "refused"})
                log.error("reload refused, %s stays served: %s", slot.model.manifest.version, error)
                raise BundleRefused from error
            await self._swap(slot, new)
        return True

    async def look(self) -> None:
        """Reload each bundle of which a file has changed; a half copied one is refused until it is whole.

        Raises:
            Exception: one could not be looked at or read; it is tried again. The others were looked at.
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
                with contextlib.suppress(BundleRefused):  # it is in the log, in the counters and in /models
                    await self.reload(slot)
                self._stamps[path] = stamp
        except Exception as error:
            return error
        return None

    def _load(self, path: Path) -> LoadedModel:
        try:
            return self._loader.load(path)
        except (BundleError, OSError):
            raise
        except Exception as error:  # a bundle that breaks a library must not end what is served
            log.exception("%s cannot be loaded", path)
            what = type(error).__name__
            raise BundleError(f"{path}: cannot be loaded ({what}); the log says where") from error

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

    async def _swap(self, slot: Slot, new: LoadedModel) -> None:
        """The new one answers from here on; the old one answers what it took."""
        name = new.manifest.name
        new.open(self._loader.workers, background=slot.model is self._registry.shadow_of(name))
        old = self._registry.replace(slot, new)
        self._loader.metrics.retire(old.manifest, old.bundle)
        self._loader.metrics.add_model(new.manifest, new.bundle, new is self._registry.get(name), new.normal)
        self._loader.metrics.reloaded(name, "ok")
        changed = {"version": new.manifest.version, "bundle": new.bundle, "before": old.bundle}
        self._note("reload", {"model": name, "result": "ok", **changed})
        log.info("%s %s takes over from %s", name, new.manifest.version, old.manifest.version)
        await old.close()
        old.leave(self._loader.workers)
        del old
        await asyncio.to_thread(collect_memory)


def _stamp(path: Path) -> object:
    """What changes when a bundle is replaced, in place or by a link to another folder; ``None`` in between.

    Raises:
        OSError: the machine cannot look.
    """
    try:
        files = [(file, file.stat()) for file in sorted(path.rglob("*")) if file.is_file()]
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [(file, stat.st_mtime_ns, stat.st_size, stat.st_ino) for file, stat in files]
