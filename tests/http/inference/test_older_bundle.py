"""A bundle that an earlier version wrote is served as it was then; see tests/older."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from places import OLDER

from evenhand.models.bundle.bundle import BundleError, load
from evenhand.models.bundle.manifest import SCHEMA_VERSION

FOLDERS = sorted(OLDER.glob("bundle-*"))


def test_every_schema_version_that_is_read_has_a_bundle_of_its_time() -> None:
    assert [folder.name for folder in FOLDERS] == [f"bundle-{SCHEMA_VERSION}"], "see tests/older/README.md"


@pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])
def test_an_older_bundle_is_answered_as_it_was_then(
    open_client: Callable[..., TestClient], folder: Path
) -> None:
    then = json.loads((folder / "answers.json").read_text())
    reply = open_client(folder / "tiny").post("/predict", json={"inputs": then["inputs"]}).json()
    for now, before in zip(reply["predictions"], then["predictions"], strict=True):
        for name in ("label", "flagged", "corrected", "shadow", "truncated"):
            assert now[name] == before[name]
        for name in ("score", "scores", "risk"):
            assert now[name] == pytest.approx(before[name], abs=1e-6)
        assert now["base"]["label"] == before["base"]["label"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schema_version": SCHEMA_VERSION + 1}, "update Evenhand"),
        ({"schema_version": 0}, "use the Evenhand release that wrote it, or fit again"),
        ({"surprise": 1}, "surprise: unknown to this Evenhand; update it if a newer one wrote the bundle"),
    ],
)
def test_what_this_version_cannot_read_is_refused_with_what_to_do(
    tmp_path: Path, change: dict[str, int], said: str
) -> None:
    folder = tmp_path / "tiny"
    shutil.copytree(FOLDERS[0] / "tiny", folder)
    manifest = folder / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises(BundleError, match=said) as refused:
        load(folder)
    assert "\n" not in str(refused.value)
