"""Bases that ONNX cannot take, from their table to a served answer: fit, verify, predict, evaluate."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import typer
from fastapi.testclient import TestClient
from tiny_model import tiny_table, write_tiny_base
from transformers.activations import ACT2FN
from typer.testing import CliRunner

from evenhand.cli.evaluate import evaluate
from evenhand.cli.fit import fit
from evenhand.models.bundle.bundle import DECISIONS, GRAPH, load
from evenhand.service.app import create_app
from evenhand.service.settings import Settings

app = typer.Typer()
app.command()(fit)
app.command()(evaluate)
OPTIONS = (
    *(
        "--text",
        "text",
        "--label",
        "label",
        "--attribute",
        "team",
        "--attribute",
        "colour",
        "--split",
        "split",
    ),
    *("--reference", "team=none", "--max-tokens", "16", "--epochs", "20", "--seed", "2"),
    *("--favourable", "positive", "--no-certificate"),
)
BASES = {
    # An activation of an operator that ONNX lacks: the exporter says so.
    "operator": (
        {"hidden_act": "scaled_bessel"},
        "No ONNX function found for <OpOverload(op='prims.bessel_i1e'",
    ),
    # An option of BERT's own: the exporter is content, and its graph runs at the one length that it saw.
    "chunks": ({"chunk_size_feed_forward": 1}, "what was exported does not run on every batch"),
}


class ScaledBessel(torch.nn.Module):
    """The exponentially scaled modified Bessel function of order one: bounded, smooth, and not in ONNX."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.special.i1e(x)


@pytest.fixture(scope="module", autouse=True)
def activation() -> Iterator[None]:
    ACT2FN["scaled_bessel"] = ScaledBessel
    yield
    del ACT2FN["scaled_bessel"]


def run_fit(place: Path, out: str, *more: str) -> tuple[int, str]:
    arguments = [
        "fit",
        "--base",
        str(place / "base"),
        "--data",
        str(place / "data.csv"),
        "--out",
        str(place / out),
    ]
    result = CliRunner().invoke(app, [*arguments, *OPTIONS, "--work", str(place / "work"), *more])
    return result.exit_code, " ".join(result.output.split())


@pytest.fixture(scope="module", params=list(BASES))
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    place = tmp_path_factory.mktemp(request.param)
    options, reason = BASES[request.param]
    write_tiny_base(place / "base")
    config = json.loads((place / "base/config.json").read_text())
    (place / "base/config.json").write_text(json.dumps({**config, **options}))
    tiny_table(900).to_csv(place / "data.csv", index=False)
    code, said = run_fit(place, "bundle")
    assert code == 0, said
    return place, said, reason


def test_the_fit_says_why_it_took_the_torch_engine(fitted: tuple[Path, str, str]) -> None:
    place, said, reason = fitted
    assert said.count("ONNX cannot take this base") == 1
    assert reason in said
    manifest = load(place / "bundle").manifest
    assert (manifest.graph.engine, manifest.graph.opset) == ("torch", None)
    assert "torch engine" in (place / "bundle/MODEL_CARD.md").read_text()


def test_the_bundle_holds_neither_a_graph_nor_a_pickle_nor_a_path(fitted: tuple[Path, str, str]) -> None:
    place, _, _ = fitted
    files = [file for file in (place / "bundle").rglob("*") if file.is_file()]
    assert {file.suffix for file in files} == {".json", ".safetensors", ".csv", ".md"}
    assert not (place / "bundle" / GRAPH).exists()
    assert not any(str(place).encode() in file.read_bytes() for file in files)


def test_served_answers_are_those_that_were_judged(fitted: tuple[Path, str, str]) -> None:
    place, _, _ = fitted
    table = tiny_table(900)
    with (place / "bundle" / DECISIONS).open() as file:
        stored = list(csv.DictReader(file))
    with TestClient(create_app(Settings(bundles=(place / "bundle",)))) as client:
        texts = [table["text"][int(entry["row"])] for entry in stored]
        served = client.post("/predict", json={"inputs": texts}).json()["predictions"]
        (shown,) = client.get("/models").json()["models"]
    assert shown["providers"] == ["torch:cpu"]
    assert any(entry["flagged"] for entry in stored)
    for entry, prediction in zip(stored, served, strict=True):
        assert (prediction["base"]["label"], prediction["label"]) == (entry["base"], entry["final"])
        assert "+".join(n for n, flagged in prediction["flagged"].items() if flagged) == entry["flagged"]


def test_evaluate_agrees_with_the_fit(fitted: tuple[Path, str, str]) -> None:
    place, _, _ = fitted
    arguments = ["evaluate", str(place / "bundle"), "--data", str(place / "data.csv")]
    result = CliRunner().invoke(
        app, [*arguments, "--json", str(place / "r.json"), "--out", str(place / "r.html")]
    )
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    judged = json.loads((place / "bundle/evaluation/evaluation.json").read_text())["test"]
    assert json.loads((place / "r.json").read_text())["figures"]["accuracy"] == judged["accuracy"]


@pytest.mark.parametrize("fitted", ["operator"], indirect=True)
def test_who_wants_a_graph_alone_is_told_that_there_is_none(fitted: tuple[Path, str, str]) -> None:
    place, _, reason = fitted
    code, said = run_fit(place, "graph", "--engine", "onnx")
    assert code == 1
    assert f"error: ONNX cannot take this base ({reason}" in said
    assert "fit with --engine torch" in said
    assert not (place / "graph").exists()
