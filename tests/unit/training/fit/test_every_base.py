"""A base of every family becomes a bundle that serves the base's own answers, and corrects flagged rows."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from bases_page import ENGINES
from fastapi.testclient import TestClient
from tiny_bases import BASES, tiny_classifier, write_base
from tiny_kinds import write_images
from tiny_model import tiny_table
from typer.testing import CliRunner

from evenhand.cli.fit import fit
from evenhand.models.bundle.bundle import DECISIONS, load
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.inputs import collate, pad_of
from evenhand.models.bundle.runner import make_runner
from evenhand.models.network.backbones import set_up
from evenhand.models.network.parts import rebuild
from evenhand.service.app import create_app
from evenhand.service.settings import Settings

pytestmark = pytest.mark.usefixtures("exports_once")
app = typer.Typer()
app.command()(fit)
MEANING = ("--label", "label", "--split", "split", "--no-certificate", "--keep-base")
TEXT = ("--text", "text", "--attribute", "team", "--favourable", "positive", *MEANING)
IMAGE = ("--task", "image", "--image", "file", "--attribute", "ground", "--favourable", "bright", *MEANING)
LABELS = {"text": ("negative", "positive"), "image": ("bright", "dark")}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of texts, and one of images with their files."""
    folder = tmp_path_factory.mktemp("data")
    tiny_table(240).to_csv(folder / "text.csv", index=False)
    write_images(folder / "images", 120).to_csv(folder / "image.csv", index=False)
    return folder


def items(data: Path, kind: str) -> list[object]:
    with (data / f"{kind}.csv").open() as file:
        lines = list(csv.DictReader(file))
    if kind == "text":
        return [line["text"] for line in lines]
    return [(data / "images" / line["file"]).read_bytes() for line in lines]


def named(base: Path, kind: str) -> Path:
    """The base's outputs get the table's labels."""
    config = json.loads((base / "config.json").read_text())
    labels = dict(enumerate(LABELS[kind]))
    config |= {"id2label": labels, "label2id": {label: index for index, label in labels.items()}}
    (base / "config.json").write_text(json.dumps(config))
    return base


def fitted(title: str, data: Path, tmp_path: Path, *more: str, pad: bool = True) -> Path:
    kind = BASES[title].kind
    base = named(write_base(tmp_path / "base", title, pad), kind)
    options = (*TEXT,) if kind == "text" else (*IMAGE, "--images", str(data / "images"))
    places = ("--base", str(base), "--data", str(data / f"{kind}.csv"), "--out", str(tmp_path / "bundle"))
    result = CliRunner().invoke(app, [*places, *options, *more], env={"COLUMNS": "200"})
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    return tmp_path / "bundle"


def answers_hold(title: str, data: Path, folder: Path, pad: bool = True) -> None:
    """The bundle's base answers are the library's, row by row; gates change flagged rows alone."""
    bundle, kind = load(folder), BASES[title].kind
    encoder, runner = make_encoder(bundle.preprocess, bundle.manifest.input), make_runner(bundle)
    encoded = [encoder.encode(item) for item in items(data, kind)[:24]]
    modes, pad_id = np.full((24, 1), 2), pad_of(bundle.manifest.input)
    never, always = np.full(1, 2.0, dtype=np.float32), np.zeros(1, dtype=np.float32)
    together = runner.run(collate(encoded, pad_id), modes, never)
    assert np.array_equal(together.logits, together.base_logits)
    model = set_up(tiny_classifier(title, **({} if pad or kind == "image" else {"pad": False})))
    with torch.no_grad():
        for row, own in enumerate(encoded):
            arrays = {name: torch.from_numpy(array) for name, array in collate([own], pad_id).items()}
            assert np.allclose(together.base_logits[row], model(**arrays).logits.numpy()[0], atol=1e-4)
    corrected = runner.run(collate(encoded, pad_id), modes, always)
    assert np.array_equal(corrected.base_logits, together.base_logits)
    assert not (corrected.logits == corrected.base_logits).all(axis=1).any()
    between = np.sort(together.risk[:, 0])[[11, 12]].mean(dtype=np.float32)[None]
    some = runner.run(collate(encoded, pad_id), modes, between)
    flagged = some.flagged.any(axis=1)
    assert 0 < flagged.sum() < 24
    assert np.array_equal(some.logits[~flagged], together.base_logits[~flagged])


def served(data: Path, folder: Path, kind: str) -> None:
    """What is served is what the fit stored."""
    with (folder / DECISIONS).open() as file:
        stored = list(csv.DictReader(file))[:16]
    if kind == "image":
        return
    texts = [items(data, kind)[int(entry["row"])] for entry in stored]
    with TestClient(create_app(Settings(bundles=(folder,)))) as client:
        predictions = client.post("/predict", json={"inputs": texts}).json()["predictions"]
    for entry, prediction in zip(stored, predictions, strict=True):
        assert (prediction["base"]["label"], prediction["label"]) == (entry["base"], entry["final"])


@pytest.mark.slow
@pytest.mark.parametrize("title", BASES)
def test_a_base_of_every_family_is_fitted_served_and_corrected(
    title: str, data: Path, tmp_path: Path
) -> None:
    folder = fitted(title, data, tmp_path)
    assert ENGINES[title] in (load(folder).manifest.graph.engine, "auto")
    answers_hold(title, data, folder)
    served(data, folder, BASES[title].kind)


@pytest.mark.parametrize(("title", "pad"), [("GPT-2", False), ("XLNet", True), ("Swin", True)])
def test_the_torch_engine_serves_a_base_of_every_kind(
    title: str, pad: bool, data: Path, tmp_path: Path
) -> None:
    folder = fitted(title, data, tmp_path, "--engine", "torch", pad=pad)
    answers_hold(title, data, folder, pad)
    served(data, folder, BASES[title].kind)
    kept = rebuild(load(folder)).split.model.state_dict()
    before = tiny_classifier(title, **({} if pad else {"pad": False})).state_dict()
    assert all(torch.equal(kept[name], tensor) for name, tensor in before.items())
