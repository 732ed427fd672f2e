"""The operator's switches at run time: modes, the live version, the version in shadow, the log level.

Several processes share them in a file: each writes its own orders and follows those of the others. A process
that replaces a crashed one reads the file too, so a correction that was switched off stays off.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from evenhand.models.bundle.manifest import Mode
from evenhand.service import logs
from evenhand.service.audit.client import Note
from evenhand.service.catalog.registry import Registry, Roles
from evenhand.service.errors import InvalidInput
from evenhand.service.inference.workers import Workers
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.settings import Level

log = logging.getLogger(__name__)

FOLLOW_S = 0.25
"""Seconds until a process follows an order that another one got."""


@dataclass(frozen=True)
class _OperatorFile:
    """Content of the shared file."""

    log_level: Level
    models: dict[str, Roles]


ORDERS = TypeAdapter(_OperatorFile)
"""Parses the shared file."""


class Control:
    """Changes the roles of a registry.

    Args:
        registry: Holds the roles.
        workers: Engine threads, where versions in shadow are background sources.
        metrics: Shows which version answers.
        note: Records what was switched.
        file: The shared file; ``None`` for a single process.
    """

    def __init__(
        self, registry: Registry, workers: Workers, metrics: Metrics, note: Note, file: Path | None
    ) -> None:
        self._registry = registry
        self._workers = workers
        self._metrics = metrics
        self._note = note
        self._file = file
        self._seen = ""

    def set_mode(self, name: str, attribute: str | None, mode: Mode) -> None:
        """Switch the correction of one attribute, or of all.

        Raises:
            UnknownModel: no such model is served.
            InvalidInput: the model has no such attribute, or no correction for it.
        """
        attributes = self._registry.get(name).manifest.attributes
        names = [each.name for each in attributes]
        if attribute is not None and attribute not in names:
            raise InvalidInput(f"this model has no such attribute; it has {', '.join(names)}")
        corrected = [each.name for each in attributes if each.corrects]
        chosen = [each for each in corrected if attribute in (None, each)]
        if not chosen and mode != "off":
            raise InvalidInput(
                "this model's bundle holds no correction to switch on"
                + (f" for {attribute}; it corrects for {', '.join(corrected)}" if corrected else "")
            )
        modes = dict.fromkeys(chosen, mode)
        self._change(name, lambda: self._registry.roles[name].modes.update(modes))
        self._note("mode", {"model": name, "attributes": list(chosen), "mode": mode})
        log.warning("%s: the mode of %s is %s now", name, ", ".join(chosen), mode)

    def set_shadow(self, name: str, version: str | None) -> None:
        """Put a version in shadow, or none.

        Raises:
            UnknownModel: no such model or version is loaded.
            InvalidInput: the version is the live one.
        """
        if version is not None and self._registry.get(name, version) is self._registry.get(name):
            raise InvalidInput(
                "this version answers already; name another one that is loaded, or null for none"
            )
        self._registry.get(name)
        self._change(name, lambda: setattr(self._registry.roles[name], "shadow", version))
        self._note("shadow", {"model": name, "version": version})
        log.warning("%s: version %s is tried beside the live one now", name, version)

    def promote(self, name: str, version: str) -> None:
        """Make a version the live one; the one before stays loaded, so that it can be promoted again.

        Raises:
            UnknownModel: no such model or version is loaded.
        """
        self._registry.get(name, version)

        def change() -> None:
            roles = self._registry.roles[name]
            roles.live, roles.shadow = version, None if roles.shadow == version else roles.shadow

        self._change(name, change)
        self._note("promote", {"model": name, "version": version})
        log.warning("%s: version %s answers now", name, version)

    def set_log_level(self, level: Level) -> None:
        """Set the log level of every process; after a restart the setting applies again."""
        log.warning("the log level is %s now; it was %s", level, logs.level())
        self._change(None, lambda: logs.set_level(level))

    async def follow(self) -> float | None:
        """Follow the orders that other processes got since the last call.

        Returns:
            Seconds until the next call; ``None`` if there is only one process.

        Raises:
            OSError: the shared file cannot be read.
        """
        if self._file is None:
            return None
        self._read()
        return FOLLOW_S

    def _change(self, name: str | None, change: Callable[[], object]) -> None:
        """Change one model's roles, or the log level, here and in the shared file, which is read before."""
        if self._file is None:
            change()
            self._apply(name)
            return
        with open(self._file.with_suffix(".lock"), "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._read()
            change()
            self._apply(name)
            roles = {name: asdict(roles) for name, roles in self._registry.roles.items()}
            self._seen = json.dumps({"log_level": logs.level(), "models": roles})
            draft = self._file.with_suffix(".new")
            draft.write_text(self._seen)
            os.replace(draft, self._file)

    def _read(self) -> None:
        assert self._file is not None
        text = self._file.read_text(errors="replace") if self._file.exists() else ""
        if text == self._seen:
            return
        try:
            orders = ORDERS.validate_json(text)
        except ValueError:
            self._seen = text  # logged once
            log.error("the workers' shared orders cannot be read; this worker keeps its own")
            return
        logs.set_level(orders.log_level)
        for name, said in orders.models.items():
            if name in self._registry.roles:
                self._adopt(name, said)
        self._seen = text  # last: an order that failed half way is tried again

    def _adopt(self, name: str, said: Roles) -> None:
        """Take the roles from the shared file, except a version that is not loaded here."""
        loaded = {model.manifest.version for model in self._registry.versions(name)}
        roles = self._registry.roles[name]
        roles.modes = said.modes
        roles.live = said.live if said.live in loaded else roles.live
        roles.shadow = said.shadow if said.shadow in loaded and said.shadow != roles.live else None
        self._apply(name)

    def _apply(self, name: str | None) -> None:
        if name is None:
            return
        live, shadow = self._registry.get(name), self._registry.shadow_of(name)
        for model in self._registry.versions(name):
            self._workers.defer(model.batcher, model is shadow)
            self._metrics.role(model.manifest, model.bundle, model is live, model.normal)
