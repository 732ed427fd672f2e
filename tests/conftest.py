"""The demo bundle, as it is served, and copies of it with other thresholds and modes."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis_profiles  # noqa: F401 - registers the profiles of hypothesis
import pytest
import shared_cache
from places import DEMO

import examples  # noqa: F401 - registers the profiles of hypothesis
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.manifest import Mode


@pytest.fixture(scope="session", autouse=True)
def settings_of_the_tests(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The caller's environment does not decide the tests; state lies apart, and rows count at once."""
    for name in [name for name in os.environ if name.startswith("EVENHAND_") and name != "EVENHAND_DATA"]:
        del os.environ[name]
    own = tmp_path_factory.getbasetemp()
    own = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    os.environ.setdefault(shared_cache.FOLDER, str(own / "cache"))
    os.environ["EVENHAND_STATE"] = str(tmp_path_factory.mktemp("state"))
    os.environ["EVENHAND_LOT_ROWS"] = "1"
    os.environ["EVENHAND_STALL_S"] = "10"  # a machine that runs tests may be busy with others


@pytest.fixture(scope="module")
def exports_once() -> Iterator[None]:
    """Tests of fits: the exporter traces each structure once per session; see export_once.py."""
    from export_once import exporting_once  # loads torch

    with exporting_once():
        yield


@pytest.fixture(scope="session")
def demo() -> Path:
    return DEMO


@pytest.fixture(scope="session")
def altered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Path]]:
    """Make a copy of the demo bundle with one threshold and mode for all: 0 flags all rows, 1 nearly none."""
    made = []

    def alter(threshold: float, *modes: Mode, name: str | None = None) -> Path:
        folder = tmp_path_factory.mktemp("altered") / "bundle"
        shutil.copytree(DEMO, folder)
        made.append(folder)
        manifest, _ = bundles.read_manifest(folder)
        all_modes = modes * len(manifest.attributes) if len(modes) == 1 else modes
        attributes = [
            attribute.model_copy(update={"threshold": threshold, "mode": mode, "corrects": True})
            for attribute, mode in zip(manifest.attributes, all_modes, strict=True)
        ]
        changed = manifest.model_copy(update={"attributes": attributes, "name": name or manifest.name})
        bundles.write_manifest(folder, changed)
        return folder

    yield alter
    for folder in made:
        shutil.rmtree(folder)
