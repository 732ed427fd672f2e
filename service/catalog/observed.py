"""The models whose decisions are made elsewhere: from declarations in a folder, and from served bundles.

The folder is looked at again while the service runs, and when a decision names a model that is not known.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from evenhand.models.bundle.intersections import Grouped
from evenhand.models.bundle.manifest import Attribute
from evenhand.models.bundle.target import Target
from evenhand.service.audit.elsewhere.bodies import SOURCE, configuration_of
from evenhand.service.audit.events import Configuration
from evenhand.service.catalog.declaration import (
    Declaration,
    DeclarationError,
    declarations_in,
    of_bundle,
    read_declaration,
)
from evenhand.service.catalog.registry import Registry
from evenhand.service.errors import InvalidInput, UnknownModel

log = logging.getLogger(__name__)

BESIDE = f"@{SOURCE}"
"""Ends the name under which they are counted where a bundle of the same name is served."""
NAME_CHARACTERS = 64
UNDECLARED = (
    "no such model is declared or served here; declare it with evenhand observe, GET /models lists them"
)


@dataclass(frozen=True)
class ObservedModel:
    """A model whose decisions are made elsewhere."""

    name: str
    """Under which its decisions are counted."""
    declaration: Declaration

    @property
    def version(self) -> str:
        """As declared."""
        return self.declaration.version

    @property
    def labels(self) -> list[str]:
        """As declared."""
        return self.declaration.labels

    @property
    def favourable(self) -> list[str]:
        """As declared."""
        return self.declaration.favourable

    @property
    def target(self) -> Target | None:
        """As declared."""
        return self.declaration.target

    @cached_property
    def attributes(self) -> list[Attribute]:
        """As declared, without detectors."""
        return self.declaration.listed

    @cached_property
    def attribute_names(self) -> list[str]:
        """In the order of the declaration."""
        return [attribute.name for attribute in self.attributes]

    @cached_property
    def counted(self) -> list[Grouped]:
        """What its decisions are counted by: the attributes; a declared target names no intersection."""
        return [*self.attributes]

    @cached_property
    def sha256(self) -> str:
        """Names the declaration."""
        return self.declaration.sha256

    @cached_property
    def configuration(self) -> Configuration:
        """As the record describes it."""
        return configuration_of(self, self.sha256)


class ObservedModels:
    """The observed models of one process.

    Args:
        folder: Of declarations; it need not be there.
        registry: The served bundles.
        begin: Called with each model that is new or changed.
    """

    def __init__(self, folder: Path, registry: Registry, begin: Callable[[ObservedModel], None]) -> None:
        self._folder, self._registry, self._begin = folder, registry, begin
        self._declared: dict[str, Declaration] = {}
        self._models: dict[str, ObservedModel] = {}
        self._stamp: tuple[tuple[str, int, int], ...] | None = None
        self.refused: dict[str, str] = {}
        """Why a file of the folder is no declaration that is used, by its name."""

    @property
    def models(self) -> Mapping[str, ObservedModel]:
        """Those that are declared, or have got decisions, by the name under which they are counted."""
        return self._models

    def look(self) -> None:
        """Read the folder again if it changed. A faulty file is logged once, and takes nothing down."""
        stamp = tuple(_stamp(path) for path in declarations_in(self._folder))
        if stamp == self._stamp:
            return
        self._stamp = stamp
        declared: dict[str, Declaration] = {}
        refused: dict[str, str] = {}
        for path in declarations_in(self._folder):
            try:
                declaration = read_declaration(path)
            except DeclarationError as error:
                refused[path.name] = str(error)
                continue
            if declaration.name in declared:
                refused[path.name] = f"{path.name}: another file declares {declaration.name}, too"
                continue
            declared[declaration.name] = declaration
        for name, why in refused.items():
            if self.refused.get(name) != why:
                log.error("not observed: %s", why)
        self._declared, self.refused = declared, refused
        kept = {*declared, *self._bundles}
        gone = [name for name in self._models if _plain(name) not in kept]
        for name in gone:
            log.warning("%s is not observed any more: its declaration is gone", name)
            del self._models[name]
        for declaration in declared.values():
            self._add(declaration)

    def get(self, name: str | None) -> ObservedModel:
        """The model that decisions name.

        Raises:
            UnknownModel: it is neither declared nor served.
            InvalidInput: no model was named, and there are none or several.
        """
        if name is None:
            if len(self._models) != 1:
                raise InvalidInput("name the model of a decision in its field model, or as ?model=")
            return next(iter(self._models.values()))
        model = self._find(name)
        if model is None:
            self.look()
            model = self._find(name)
        if model is None:
            raise UnknownModel(UNDECLARED)
        return model

    @property
    def _bundles(self) -> Mapping[str, object]:
        return self._registry.roles

    def _find(self, name: str) -> ObservedModel | None:
        plain = _plain(name)
        if plain in self._declared:
            return self._models.get(self._counted_as(plain))
        if plain not in self._bundles:
            return None
        return self._add(of_bundle(self._registry.get(plain).manifest))  # the live version's

    def _add(self, declaration: Declaration) -> ObservedModel:
        name = self._counted_as(declaration.name)
        present = self._models.get(name)
        if present is not None and present.declaration == declaration:
            return present
        if len(name) > NAME_CHARACTERS:
            raise InvalidInput(
                f"the name is too long to count decisions made elsewhere beside those of the bundle: at most "
                f"{NAME_CHARACTERS - len(BESIDE)} characters"
            )
        model = self._models[name] = ObservedModel(name, declaration)
        self._begin(model)
        log.info("%s: decisions made elsewhere are counted", name)
        return model

    def _counted_as(self, name: str) -> str:
        return name + BESIDE if name in self._bundles else name


def _plain(name: str) -> str:
    return name.removesuffix(BESIDE)


def _stamp(path: Path) -> tuple[str, int, int]:
    try:
        status = path.stat()
    except OSError:
        return path.name, 0, 0
    return path.name, status.st_mtime_ns, status.st_ino
