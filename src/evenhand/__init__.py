"""Evenhand: corrects the predictions that a classifier is likely to get wrong for a disadvantaged group.

The names in ``__all__`` are the public API: they change only with the major version. All else may change at
any time. They are loaded when they are first used, so that ``import evenhand`` loads neither torch nor the
service.

>>> import evenhand
>>> bundle = evenhand.load_bundle("bundles/hate-speech")
>>> bundle.manifest.labels
[...]
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from evenhand.version import __version__ as __version__

if TYPE_CHECKING:
    from evenhand.library.bundle_model import BundleModel
    from evenhand.library.classifier import FairClassifier, NotCorrectedWarning
    from evenhand.models.bundle.bundle import Bundle, BundleError
    from evenhand.models.bundle.bundle import load as load_bundle
    from evenhand.models.bundle.manifest import Manifest
    from evenhand.models.bundle.runner import Runner, make_runner
    from evenhand.models.network.corrector import Corrector
    from evenhand.service.app import create_app
    from evenhand.service.settings import Settings
    from evenhand.training.correctors.interface import CorrectorMethod

__all__ = [
    "Bundle",
    "BundleError",
    "BundleModel",
    "Corrector",
    "CorrectorMethod",
    "FairClassifier",
    "Manifest",
    "NotCorrectedWarning",
    "Runner",
    "Settings",
    "create_app",
    "load_bundle",
    "make_runner",
]

_PLACES = {
    "Bundle": ("models.bundle.bundle", "Bundle"),
    "BundleError": ("models.bundle.bundle", "BundleError"),
    "BundleModel": ("library.bundle_model", "BundleModel"),
    "Corrector": ("models.network.corrector", "Corrector"),
    "CorrectorMethod": ("training.correctors.interface", "CorrectorMethod"),
    "FairClassifier": ("library.classifier", "FairClassifier"),
    "Manifest": ("models.bundle.manifest", "Manifest"),
    "NotCorrectedWarning": ("library.classifier", "NotCorrectedWarning"),
    "Runner": ("models.bundle.runner", "Runner"),
    "Settings": ("service.settings", "Settings"),
    "create_app": ("service.app", "create_app"),
    "load_bundle": ("models.bundle.bundle", "load"),
    "make_runner": ("models.bundle.runner", "make_runner"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    """Import a public name when it is first used (PEP 562).

    Raises:
        AttributeError: there is no such public name.
    """
    if name not in _PLACES:
        raise AttributeError(f"module 'evenhand' has no attribute {name!r}")
    module, attribute = _PLACES[name]
    value = globals()[name] = getattr(importlib.import_module(f"evenhand.{module}"), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
