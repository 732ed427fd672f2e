"""The loaded models by name and version, and the role of each version. The service never guesses a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from evenhand.models.bundle.manifest import Mode
from evenhand.service.catalog.loader import LoadedModel
from evenhand.service.errors import InvalidInput, Overloaded, UnknownModel


@dataclass(eq=False)
class Slot:
    """A bundle's folder, and the model that was last loaded from it."""

    model: LoadedModel
    refused: str | None = None
    """Why the bundle that is in the folder now is not served."""


@dataclass(eq=False)
class Roles:
    """Roles of the versions of one model; operators change them at run time."""

    live: str
    """The version that answers where none is named."""
    shadow: str | None = None
    """A version that also scores the live one's rows; its answers are only counted."""
    modes: dict[str, Mode] = field(default_factory=dict)
    """Modes by attribute; the bundle's own mode applies to any other."""


class Registry:
    """All models of one process.

    Args:
        models: In the order of the settings; of several versions of a model the first one answers.
    """

    def __init__(self, models: Sequence[LoadedModel]) -> None:
        self.slots = [Slot(model) for model in models]
        self.roles: dict[str, Roles] = {}
        for model in models:
            self.roles.setdefault(model.manifest.name, Roles(model.manifest.version))

    def get(self, name: str | None, version: str | None = None) -> LoadedModel:
        """The model that a request names.

        Raises:
            UnknownModel: none of that name, or version, is served.
            InvalidInput: no name was given and several are served.
        """
        if name is None:
            if len(self.roles) != 1:
                raise InvalidInput(
                    "several models are served: name one in the field model; GET /models lists them"
                )
            name = next(iter(self.roles))
        if name not in self.roles:
            raise UnknownModel
        return self._version(name, self.roles[name].live if version is None else version)

    def shadow_of(self, name: str) -> LoadedModel | None:
        """The version in shadow."""
        version = self.roles[name].shadow
        return None if version is None else self._version(name, version)

    def live(self) -> list[LoadedModel]:
        """The live version of every model."""
        return [self.get(name) for name in self.roles]

    def busy(self) -> Overloaded | None:
        """The error if no live model could take a row now; ``None`` if one could."""
        batchers = [model.batcher for model in self.live()]
        if not all(batcher.full_for(1) for batcher in batchers):
            return None
        return Overloaded(retry_after_s=min(batcher.expected_wait_s for batcher in batchers))

    def versions(self, name: str) -> list[LoadedModel]:
        """All loaded versions of a model."""
        return [slot.model for slot in self.slots if slot.model.manifest.name == name]

    def modes(self, model: LoadedModel) -> list[Mode]:
        """The current modes of a model's corrections, in the manifest's order.

        An order outlives a version: what it switches on stays off in a version without that correction.
        """
        modes = self.roles[model.manifest.name].modes
        return [
            modes.get(attribute.name, attribute.mode) if attribute.corrects else "off"
            for attribute in model.manifest.attributes
        ]

    def replace(self, slot: Slot, new: LoadedModel) -> LoadedModel:
        """Replace an old bundle by a newly loaded one, in all its roles.

        Returns:
            The old one, which may still have rows to answer.
        """
        old, roles = slot.model, self.roles[slot.model.manifest.name]
        slot.model, slot.refused = new, None
        if roles.live == old.manifest.version:
            roles.live = new.manifest.version
        if roles.shadow == old.manifest.version:
            roles.shadow = new.manifest.version
        return old

    def _version(self, name: str, version: str) -> LoadedModel:
        for model in self.versions(name):
            if model.manifest.version == version:
                return model
        raise UnknownModel("no such model version is served here; GET /models lists them")
