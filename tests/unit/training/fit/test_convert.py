"""``evenhand export`` end to end on a tiny bundle: what it writes, and what it refuses to write."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import typer
from fastapi.testclient import TestClient
from onnx import helper, numpy_helper
from tiny_model import tiny_table, write_tiny_bundle
from typer.testing import CliRunner

from evenhand.cli.export import export
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.inputs import collate
from evenhand.models.bundle.runtime_onnx import GraphRunner
from evenhand.service.app import create_app
from evenhand.service.settings import Settings
from evenhand.training.data.select_rows import RowSelection
from evenhand.training.evaluation.table_evaluation import evaluate_table
from evenhand.training.fit.batch_invariance import check_batch_invariance


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, and rows whose labels are its own base answers: every decision that moves is a loss."""
    folder = tmp_path_factory.mktemp("export")
    write_tiny_bundle(folder / "tiny")
    table = tiny_table(400)
    table["team"] = table["team"].replace({"alpha": "some", "beta": "some"})
    table["colour"] = table["colour"].replace({"plain": "none", "red": "some"})
    bundle = on_the_fence(folder / "tiny", list(table["text"]))
    answers = base_logits(bundle, list(table["text"])).argmax(axis=1)
    table["label"] = [bundle.manifest.labels[code] for code in answers]
    table.drop(columns="split").to_csv(folder / "t.csv", index=False)
    return folder


@pytest.fixture
def call(folder: Path, tmp_path: Path) -> Callable[..., Any]:
    """Run the command in a terminal's place; options by name."""
    app = typer.Typer()
    app.command()(export)

    def run(bundle: Path | None = None, **options: object) -> Any:
        arguments = {
            "precision": "int8",
            "data": folder / "t.csv",
            "out": tmp_path / "new",
            "tolerance": 0.5,
            **options,
        }
        words = [word for name, value in arguments.items() for word in (f"--{name}", str(value))]
        return CliRunner().invoke(app, [str(bundle or folder / "tiny"), *words], env={"COLUMNS": "200"})

    return run


def on_the_fence(folder: Path, texts: list[str]) -> bundles.Bundle:
    """The tiny bundle with a bias that puts half the rows on either side, many of them close to it."""
    bundle = bundles.load(folder)
    graph = onnx.load_model_from_string(bundle.graph)
    margin = np.diff(base_logits(bundle, texts), axis=1)
    shift = np.array([0, -np.median(margin)], dtype=np.float32)
    graph.graph.initializer.append(numpy_helper.from_array(shift, "fence"))
    choice = next(node for node in graph.graph.node if node.op_type == "If")
    for node in (*graph.graph.node, *(node for branch in choice.attribute for node in branch.g.node)):
        if node.output[0] in ("base_logits", "suffix/corrected"):
            node.input.append("fence")
    (folder / bundles.GRAPH).write_bytes(graph.SerializeToString())
    bundles.write_manifest(folder, bundle.manifest.model_copy(update={"files": bundles.hash_files(folder)}))
    return bundles.load(folder)


def base_logits(bundle: bundles.Bundle, texts: list[str]) -> np.ndarray:
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    arrays = collate([encoder.encode(text) for text in texts], 0)
    return GraphRunner(bundle).run(arrays, np.zeros((len(texts), 2), dtype=np.int64)).base_logits


def with_one_scale_per_batch(graph: bytes) -> bytes:
    """The graph with its hidden layer rounded by a scale taken over all rows: what must not pass."""
    model = onnx.load_model_from_string(graph)
    nodes = list(model.graph.node)
    at = next(index for index, node in enumerate(nodes) if "hidden" in node.output)
    nodes[at].output[list(nodes[at].output).index("hidden")] = "exact"
    rounded = ["rounded", "scale", "zero"]
    between = [
        helper.make_node("DynamicQuantizeLinear", ["exact"], rounded),
        helper.make_node("DequantizeLinear", rounded, ["hidden"]),
    ]
    del model.graph.node[:]
    model.graph.node.extend([*nodes[: at + 1], *between, *nodes[at + 1 :]])
    return model.SerializeToString()


def edited(folder: Path, place: Path, **changes: object) -> Path:
    """A copy of the tiny bundle that says something else."""
    copy = place / "edited"
    subprocess.run(["cp", "-r", folder / "tiny", copy], check=True)
    manifest, _ = bundles.read_manifest(copy)
    bundles.write_manifest(copy, manifest.model_copy(update=changes))
    return copy


@pytest.mark.parametrize(("precision", "weights"), [("fp16", "float16"), ("int8", "int8"), ("int4", "int4")])
def test_a_bundle_within_tolerance_is_written_and_true(
    call: Callable[..., Any], folder: Path, tmp_path: Path, precision: str, weights: str
) -> None:
    done = call(precision=precision)
    assert done.exit_code == 0, done.output
    assert "within 50 points" in done.output
    original, converted = bundles.load(folder / "tiny"), bundles.load(tmp_path / "new")
    assert len(converted.graph) < 0.8 * len(original.graph)
    manifest = converted.manifest
    assert (manifest.version, manifest.graph.weights, manifest.certified) == (f"1+{weights}", weights, False)
    assert [a.threshold for a in manifest.attributes] == [a.threshold for a in original.manifest.attributes]
    note = manifest.provenance.settings["export"]
    assert (note["bundle_sha256"], note["tolerance"], note["rows"]) == (original.sha256, 0.5, 400)
    again = evaluate_table(tmp_path / "new", folder / "t.csv", RowSelection())["figures"]
    assert manifest.evaluation["rows"]["accuracy"] == again["accuracy"]
    assert manifest.evaluation["rows"]["worst_cell"] == again["worst_cell"]
    assert json.loads(converted.reference)["rows"] == 400
    card = (tmp_path / "new/MODEL_CARD.md").read_text()
    assert "## Precision" in card
    assert original.sha256 in card
    assert str(tmp_path) not in (tmp_path / "new/manifest.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["new"]


def test_the_split_of_the_fit_is_that_of_the_export_too(
    call: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "split"
    subprocess.run(["cp", "-r", folder / "tiny", copy], check=True)
    (copy / bundles.SPLIT).write_text("row,split\n0,test\n")
    manifest, _ = bundles.read_manifest(copy)
    bundles.write_manifest(copy, manifest.model_copy(update={"files": bundles.hash_files(copy)}))
    assert call(copy, precision="fp16").exit_code == 0
    assert bundles.load(tmp_path / "new").split == bundles.load(copy).split == b"row,split\n0,test\n"


def test_the_new_bundle_is_served_as_it_was_judged(
    call: Callable[..., Any], folder: Path, tmp_path: Path
) -> None:
    assert call(precision="int4").exit_code == 0
    decisions = (tmp_path / "new" / bundles.DECISIONS).read_text().splitlines()[1:41]
    texts = [line.split(",")[0] for line in (folder / "t.csv").read_text().splitlines()[1:41]]
    with TestClient(create_app(Settings(bundles=(tmp_path / "new",)))) as client:
        served = client.post("/predict", json={"inputs": texts}).json()["predictions"]
    assert [line.split(",")[2:4] for line in decisions] == [[p["base"]["label"], p["label"]] for p in served]


def test_a_bundle_that_loses_more_is_refused_and_nothing_is_written(
    call: Callable[..., Any], tmp_path: Path
) -> None:
    done = call(precision="int4", tolerance=0)
    assert done.exit_code == 1
    error = [line for line in done.output.splitlines() if line.startswith("error:")]
    assert len(error) == 1
    assert "accuracy (base) falls by" in error[0]
    assert "the worst cell (base) falls by" in error[0]
    assert "refused" in done.output
    assert list(tmp_path.iterdir()) == []


def test_rows_that_answer_differently_in_company_are_found(folder: Path, tmp_path: Path) -> None:
    bundle = bundles.load(folder / "tiny")
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    encoded = [encoder.encode(text) for text in tiny_table(200)["text"]]
    assert check_batch_invariance(GraphRunner(bundle), bundle.manifest, encoded).holds
    dynamic = replace(bundle, graph=with_one_scale_per_batch(bundle.graph))
    invariance = check_batch_invariance(GraphRunner(dynamic), bundle.manifest, encoded)
    assert not invariance.holds
    assert invariance.difference > 1e-4


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_no_row_depends_on_its_company(call: Callable[..., Any], tmp_path: Path, precision: str) -> None:
    assert call(precision=precision).exit_code == 0
    bundle = bundles.load(tmp_path / "new")
    encoder, runner = make_encoder(bundle.preprocess, bundle.manifest.input), GraphRunner(bundle)
    encoded = [encoder.encode(text) for text in tiny_table(64, seed=3)["text"]]
    together = runner.run(collate(encoded, 0), np.full((64, 2), 2))
    for row, one in enumerate(encoded):
        alone = runner.run(collate([one], 0), np.full((1, 2), 2))
        assert alone.logits[0] == pytest.approx(together.logits[row], abs=1e-5)
        assert np.array_equal(alone.flagged[0], together.flagged[row])
        assert alone.logits[0].argmax() == together.logits[row].argmax()


def test_a_certificate_does_not_pass_on(call: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    assert call(edited(folder, tmp_path, certified=True)).exit_code == 0
    manifest = bundles.load(tmp_path / "new").manifest
    assert not manifest.certified
    assert all("not certified with int8 weights" in attribute.why for attribute in manifest.attributes)


def test_float16_from_float16_is_the_same_model_in_the_graph_of_today(
    call: Callable[..., Any], tmp_path: Path
) -> None:
    assert call(precision="fp16", out=tmp_path / "first").exit_code == 0
    again = call(tmp_path / "first", precision="fp16", out=tmp_path / "again")
    assert again.exit_code == 0
    first, second = (bundles.load(tmp_path / name) for name in ("first", "again"))
    assert first.manifest.version == second.manifest.version == "1+float16"
    assert first.graph == second.graph


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text.replace("label", "verdict", 1), "no column label"),
        (lambda text: text.replace("colour", "shade", 1), "no column colour"),
        (lambda text: "\n".join(text.splitlines()[:31]), "no cell has 30 rows"),
        (
            lambda text: text.replace("positive", "").replace("negative", ""),
            "no row can be evaluated: no label",
        ),
    ],
)
def test_rows_that_cannot_answer_are_refused(
    call: Callable[..., Any], folder: Path, tmp_path: Path, change: Callable[[str], str], said: str
) -> None:
    (tmp_path / "other.csv").write_text(change((folder / "t.csv").read_text()))
    done = call(data=tmp_path / "other.csv")
    assert done.exit_code == 1
    assert said in done.output
    assert not (tmp_path / "new").exists()


def test_what_cannot_be_meant_is_refused(call: Callable[..., Any], folder: Path, tmp_path: Path) -> None:
    assert "exists; remove it" in call(out=folder / "tiny").output
    assert "fp8" in call(precision="fp8").output
    assert call(tolerance=-0.1).exit_code == 2
    assert call().exit_code == 0
    again = call(tmp_path / "new", out=tmp_path / "more", precision="int4")
    assert "its weights are int8" in again.output
    of_torch = call(write_tiny_bundle(tmp_path / "torch/tiny", "torch"), out=tmp_path / "more")
    assert of_torch.exit_code == 1
    assert "the torch engine runs it" in of_torch.output
    assert not (tmp_path / "more").exists()


def test_the_command_is_light_to_import() -> None:
    heavy = "torch", "pandas", "onnx", "sklearn"
    code = f"import sys, evenhand.cli.export; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
