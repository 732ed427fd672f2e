"""Ways of correcting flagged rows at inference. Each module of this package that has ``METHODS`` is one or several."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from evenhand.training.correctors.interface import CorrectorMethod
from evenhand.training.data.dataset import DataError


@lru_cache
def correctors() -> dict[str, CorrectorMethod]:
    """All of them by name, in the order of the modules' names."""
    found: dict[str, CorrectorMethod] = {}
    for module in pkgutil.iter_modules(__path__):
        methods = getattr(importlib.import_module(f"{__name__}.{module.name}"), "METHODS", ())
        found.update((method.name, method) for method in methods)
    return found


def named(name: str) -> CorrectorMethod:
    """One by name.

    Raises:
        DataError: there is none of that name.
    """
    if name not in correctors():
        raise DataError(f"no method {name!r}; there are {', '.join(correctors())}")
    return correctors()[name]
