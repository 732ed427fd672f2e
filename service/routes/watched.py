"""Which model a reader of figures means: a served one, or one whose decisions are made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from evenhand.models.bundle.manifest import Manifest, Mode
from evenhand.models.bundle.reference import Normal
from evenhand.service.audit.elsewhere.bodies import SOURCE
from evenhand.service.catalog.observed import ObservedModel
from evenhand.service.routes.dependencies import ApplicationState

SERVED = "served"


@dataclass(frozen=True)
class Watched:
    """A model of which there are figures."""

    manifest: Manifest | ObservedModel
    bundle: str
    """Hash that names its bundle or its declaration."""
    modes: Mapping[str, Mode]
    """By attribute."""
    normal: Mapping[str, Normal]
    """Figures of validation by attribute."""
    source: str
    """``served``, or where its decisions are made: ``elsewhere``."""


def watched(state: ApplicationState, name: str | None) -> Watched:
    """The model of a name; the only one where none is named.

    Raises:
        UnknownModel: there is none of that name.
        InvalidInput: no name was given and there are several.
    """
    registry = state.registry
    if name in registry.roles or (name is None and registry.roles):
        model = registry.get(name)
        modes = dict(zip(model.manifest.attribute_names, registry.modes(model), strict=True))
        return Watched(model.manifest, model.bundle, modes, model.normal, SERVED)
    observed = state.observed.get(name)
    return Watched(observed, observed.sha256, dict.fromkeys(observed.attribute_names, "off"), {}, SOURCE)
