"""Methods that correct flagged rows at inference: each module's ``METHODS`` are found by themselves."""

from __future__ import annotations

import importlib
import pkgutil
from functools import lru_cache

from evenhand.training.correctors.interface import CorrectorMethod
from evenhand.training.data.dataset import DataError


@lru_cache
def correctors() -> dict[str, CorrectorMethod]:
    """All correctors by name, in the order of the modules' names."""
    methods_by_name: dict[str, CorrectorMethod] = {}
    for module in pkgutil.iter_modules(__path__):
        methods = getattr(importlib.import_module(f"{__name__}.{module.name}"), "METHODS", ())
        methods_by_name.update((method.name, method) for method in methods)
    return methods_by_name


def named(name: str) -> CorrectorMethod:
    """One by name.

    Raises:
        DataError: there is none of that name.
    """
    if name not in correctors():
        raise DataError(f"no method {name!r}; there are {', '.join(correctors())}")
    return correctors()[name]
