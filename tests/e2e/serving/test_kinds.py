"""Every kind of input from its table to a served answer: fit, verify, predict, evaluate."""

from __future__ import annotations

import base64
import csv
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import typer
from bombs import scans_jpeg
from fastapi.testclient import TestClient
from tiny_kinds import column_table, pair_table, write_images, write_tiny_image_base, write_tiny_pair_base
from tritonclient.http import InferenceServerClient, InferInput
from typer.testing import CliRunner

from evenhand.cli.evaluate import evaluate
from evenhand.cli.export import export
from evenhand.cli.fit import fit
from evenhand.models.bundle.bundle import DECISIONS, load
from evenhand.service.app import create_app
from evenhand.service.settings import Settings

app = typer.Typer()
app.command()(fit)
app.command()(evaluate)
app.command()(export)


@dataclass(frozen=True)
class Kind:
    """One kind of input."""

    table: pd.DataFrame
    options: tuple[str, ...]
    item: Callable[[int], Any]
    """Row of the table to a wire item."""
    bad: Any
    """An item that cannot be read."""


def pair(place: Path) -> Kind:
    base, table = write_tiny_pair_base(place / "base"), pair_table()
    options = (
        "--task",
        "pair",
        "--base",
        str(base),
        "--text",
        "text",
        "--text-pair",
        "other",
        "--label",
        "label",
    )
    options += ("--attribute", "team", "--reference", "team=none", "--max-tokens", "24")
    options += ("--favourable", "positive")
    return Kind(
        table, options, lambda row: {"text": table["text"][row], "text_pair": table["other"][row]}, "alone"
    )


def columns(place: Path) -> Kind:
    table = column_table()
    options = ("--task", "table", "--label", "income", "--attribute", "sex", "--reference", "sex=Male")

    def item(row: int) -> dict[str, Any]:
        hours, school = table["hours"][row], table["school"][row]
        return {"hours": None if hours == "?" else float(hours), "school": school, "job": table["job"][row]}

    return Kind(table, (*options, "--favourable", ">50K"), item, {"hours": "many"})


def image(place: Path, kind: str) -> Kind:
    table, base = write_images(place / "images"), write_tiny_image_base(place / "base", kind)
    options = ("--task", "image", "--base", str(base), "--image", "file", "--images", str(place / "images"))
    options += ("--label", "label", "--attribute", "ground", "--reference", "ground=grey")
    options += ("--favourable", "bright")

    def item(row: int) -> dict[str, str]:
        return {"image": base64.b64encode((place / "images" / table["file"][row]).read_bytes()).decode()}

    return Kind(table, options, item, {"image": base64.b64encode(scans_jpeg()).decode()})


KINDS: dict[str, Callable[[Path], Kind]] = {
    "pair": pair,
    "table": columns,
    "vit": lambda place: image(place, "vit"),
    "convnext": lambda place: image(place, "convnext"),
}


@pytest.fixture(scope="module", params=list(KINDS))
def fitted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Kind, Path]:
    place = tmp_path_factory.mktemp(request.param)
    kind = KINDS[request.param](place)
    kind.table.to_csv(place / "data.csv", index=False)
    arguments = ["fit", "--data", str(place / "data.csv"), "--out", str(place / "bundle"), "--split", "split"]
    result = CliRunner().invoke(app, [*arguments, *kind.options, "--epochs", "2", "--no-certificate"])
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    return kind, place


def test_served_answers_are_those_that_were_judged(fitted: tuple[Kind, Path]) -> None:
    kind, place = fitted
    with (place / "bundle" / DECISIONS).open() as file:
        stored = list(csv.DictReader(file))[:40]
    items = [kind.item(int(entry["row"])) for entry in stored]
    with TestClient(create_app(Settings(bundles=(place / "bundle",)))) as client:
        served = client.post("/predict", json={"inputs": items}).json()["predictions"]
    assert [(entry["base"], entry["final"]) for entry in stored] == [
        (p["base"]["label"], p["label"]) for p in served
    ]
    flagged = ["+".join(name for name, open_ in p["flagged"].items() if open_) for p in served]
    assert [entry["flagged"] for entry in stored] == flagged


def test_a_bad_item_costs_no_good_one(fitted: tuple[Kind, Path]) -> None:
    kind, place = fitted
    with TestClient(create_app(Settings(bundles=(place / "bundle",)))) as client:
        reply = client.post("/predict", json={"inputs": [kind.item(0), kind.bad, kind.item(1)]}).json()
        alone = client.post("/predict", json={"inputs": kind.item(0)}).json()
    good, bad, _ = reply["predictions"]
    assert "error" in bad
    assert good["label"] == alone["predictions"][0]["label"]


def tensors(items: list[Any], raw: bool) -> list[InferInput]:
    """Items as a Triton client sends them; ``raw``: images as the bytes of their files."""
    inputs = []
    for name in items[0]:
        values = [item[name] for item in items]
        number = all(value is None or isinstance(value, float) for value in values)
        if name == "image" and raw:
            values = [base64.b64decode(value) for value in values]
        tensor = InferInput(name, [len(items)], "FP64" if number else "BYTES")
        column = [math.nan if value is None else value for value in values] if number else values
        tensor.set_data_from_numpy(
            np.array(column, dtype=np.float64 if number else object), binary_data=raw or number
        )
        inputs.append(tensor)
    return inputs


@pytest.mark.parametrize("raw", [True, False])
def test_tensors_of_every_kind_get_the_same_answers(fitted: tuple[Kind, Path], raw: bool) -> None:
    kind, place = fitted
    items = [kind.item(row) for row in range(20)]
    with TestClient(create_app(Settings(bundles=(place / "bundle",)))) as client:
        plain = client.post("/predict", json={"inputs": items}).json()
        path = f"/v2/models/{plain['model']}"
        inputs = tensors(items, raw)
        datatypes = {entry["name"]: entry["datatype"] for entry in client.get(path).json()["inputs"]}
        assert {tensor.name(): tensor.datatype() for tensor in inputs} == datatypes
        body, length = InferenceServerClient.generate_request_body(inputs)
        headers = {} if length is None else {"Inference-Header-Content-Length": str(length)}
        reply = client.post(f"{path}/infer", content=bytes(body), headers=headers)
    assert reply.status_code == 200, reply.text
    response = InferenceServerClient.parse_response_body(
        reply.content, header_length=int(reply.headers["inference-header-content-length"])
    )
    assert [label.decode() for label in response.as_numpy("label")] == [
        p["label"] for p in plain["predictions"]
    ]
    risk = [list(p["risk"].values()) for p in plain["predictions"]]
    assert response.as_numpy("risk").tolist() == [pytest.approx(row, abs=1e-6) for row in risk]


def test_the_manifest_names_the_kind_and_no_folder(fitted: tuple[Kind, Path]) -> None:
    _, place = fitted
    manifest = load(place / "bundle").manifest
    assert manifest.task == manifest.input.kind
    assert str(place) not in (place / "bundle/manifest.json").read_text()


def test_evaluate_agrees_with_the_fit(fitted: tuple[Kind, Path]) -> None:
    _, place = fitted
    more = ["--images", str(place / "images")] if (place / "images").exists() else []
    arguments = ["evaluate", str(place / "bundle"), "--data", str(place / "data.csv"), *more]
    result = CliRunner().invoke(
        app, [*arguments, "--json", str(place / "r.json"), "--out", str(place / "r.html")]
    )
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    report = json.loads((place / "r.json").read_text())
    judged = json.loads((place / "bundle/evaluation/evaluation.json").read_text())["test"]
    assert report["figures"]["accuracy"] == judged["accuracy"]
    assert report["refused"] == []
    assert report["data"]["same_as_fitted"]
    assert (place / "r.html").read_text().startswith("<!DOCTYPE html>")


def test_an_export_agrees_with_the_bundle(fitted: tuple[Kind, Path]) -> None:
    kind, place = fitted
    more = ["--images", str(place / "images")] if (place / "images").exists() else []
    only = ["--only", "train", "--only", "val", "--only", "test"]  # test rows alone fill no cell
    arguments = [
        "export",
        str(place / "bundle"),
        "--data",
        str(place / "data.csv"),
        *only,
        *more,
        "--tolerance",
        "0.5",
    ]
    result = CliRunner().invoke(app, [*arguments, "--precision", "int8", "--out", str(place / "int8")])
    assert result.exit_code == 0, f"{result.output} {result.exception!r}"
    assert len(load(place / "int8").graph) < 0.9 * len(load(place / "bundle").graph)
    with (place / "int8" / DECISIONS).open() as file:
        stored = list(csv.DictReader(file))[:40]
    with TestClient(create_app(Settings(bundles=(place / "int8",)))) as client:
        served = client.post(
            "/predict", json={"inputs": [kind.item(int(entry["row"])) for entry in stored]}
        ).json()
    decided = [(p["base"]["label"], p["label"]) for p in served["predictions"]]
    assert [(entry["base"], entry["final"]) for entry in stored] == decided
