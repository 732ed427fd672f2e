"""The rows that ``evenhand demo`` sends are what their makers write, and fit the models that they are for."""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from documents import ROOT
from places import DEMO, SALARIES

from evenhand.models.bundle.bundle import load
from evenhand.training.recipes import census, speech
from examples.data.make_traffic import OUT, STAFF, as_lines, staff
from examples.data.make_traffic import speech as sentences

DATA = Path(os.environ.get("EVENHAND_DATA", ROOT.parent / "shared/data"))


def read(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (OUT / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]


def test_sentences_are_made_anew_alike() -> None:
    name = speech.config("", 0).name
    assert as_lines(sentences()) == (OUT / f"{name}.jsonl").read_text(encoding="utf-8")


def test_sentences_name_a_group_or_none_and_each_label_is_there() -> None:
    rows = read(speech.config("", 0).name)
    assert len({row["input"] for row in rows}) == len(rows)
    counts = Counter((row["groups"]["any_group"], row["label"]) for row in rows)
    assert set(counts) == {
        (group, label) for group in ("mentioned", "not mentioned") for label in ("hate", "not hate")
    }
    assert min(counts.values()) >= 100
    assert all(row["groups"] == speech.mentions(row["input"]) for row in rows)


@pytest.mark.parametrize("bundle", [DEMO, SALARIES], ids=lambda bundle: bundle.name)
def test_rows_fit_the_demo_and_every_group_and_label_of_its_manifest_is_there(bundle: Path) -> None:
    manifest = load(bundle).manifest
    rows = read(manifest.name)
    assert {row["label"] for row in rows} == set(manifest.labels)
    for attribute in manifest.attributes:
        counts = Counter(row["groups"][attribute.name] for row in rows)
        assert set(counts) == set(attribute.groups)
        assert min(counts.values()) >= 20


def test_salaries_have_the_recipe_s_features_and_as_many_of_every_cell() -> None:
    rows = read(census.config("", 0).name)
    assert len(rows) == STAFF
    assert {tuple(sorted(row["input"])) for row in rows} == {tuple(sorted(census.FEATURES))}
    counts = Counter((row["label"], *row["groups"].values()) for row in rows)
    assert set(counts.values()) == {STAFF // 16}


@pytest.mark.slow
def test_salaries_are_made_anew_alike() -> None:
    if not (DATA / census.FILES["staff"]).exists():
        pytest.skip("gov_census is not here; set EVENHAND_DATA to the folder that holds it")
    name = census.config("", 0).name
    assert as_lines(staff(DATA)) == (OUT / f"{name}.jsonl").read_text(encoding="utf-8")


def test_files_are_small() -> None:
    assert all(file.stat().st_size < 1_300_000 for file in OUT.iterdir())
