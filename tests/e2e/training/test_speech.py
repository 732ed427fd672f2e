"""The demo bundle on the data it was judged on: what is served is what its manifest says, row by row."""

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from places import ROOT

from evenhand.models.bundle.bundle import DECISIONS, read_manifest
from evenhand.service.app import create_app
from evenhand.service.settings import Settings
from evenhand.training.recipes.speech import FILES, read

DATA = Path(os.environ.get("EVENHAND_DATA", ROOT.parent / "shared/data"))


@pytest.mark.slow
def test_served_decisions_equal_the_stored_evaluation(demo: Path, altered: Callable[..., Path]) -> None:
    if not all((DATA / file).exists() for file in FILES.values()):
        pytest.skip(f"set EVENHAND_DATA to the folder that holds {', '.join(FILES.values())}")
    rows, schema, digest = read(DATA)
    manifest, _ = read_manifest(demo)
    assert digest == manifest.provenance.data_sha256
    with (demo / DECISIONS).open() as file:
        stored = {int(entry["row"]): entry for entry in csv.DictReader(file) if entry["split"] == "test"}
    chosen = rows.of("test")
    assert len(stored) == len(chosen) == manifest.evaluation["test"]["rows"]
    with TestClient(create_app(Settings(bundles=(demo,)))) as client:
        served = []
        for start in range(0, len(chosen), 100):
            texts = [rows.items[row] for row in chosen[start : start + 100]]
            served += client.post("/predict", json={"inputs": texts}).json()["predictions"]
    right = 0
    for row, prediction in zip(chosen, served, strict=True):
        entry = stored[int(rows.row[row])]
        assert prediction["label"] == entry["final"]
        assert prediction["base"]["label"] == entry["base"]
        assert (
            "+".join(name for name, flagged in prediction["flagged"].items() if flagged) == entry["flagged"]
        )
        right += prediction["label"] == schema.labels[rows.labels[row]]
    assert right / len(chosen) == pytest.approx(manifest.evaluation["test"]["accuracy"]["final"]["value"])
