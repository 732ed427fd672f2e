"""Which engine runs a bundle of each tested family, as the documentation says."""

import importlib.util
from types import ModuleType

from places import ROOT


def make_bases() -> ModuleType:
    """The script that writes the page."""
    spec = importlib.util.spec_from_file_location("make_bases", ROOT / "docs/make_bases.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


ENGINES: dict[str, str] = make_bases().engines_of_page()
