"""A bundle that does not hold is refused with one sentence; one that holds loads."""

import json
import os
from pathlib import Path

import pytest
from tiny_model import write_tiny_bundle

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import BundleError, load
from evenhand.models.bundle.manifest import check_path
from evenhand.models.bundle.runtime_onnx import GraphRunner


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny")


def edit(folder: Path, **changes: object) -> None:
    """Change manifest fields without looking, as an attacker or a typo would."""
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def refused(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        GraphRunner(load(folder))
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_bundle_that_holds_loads(folder: Path) -> None:
    loaded = load(folder)
    assert loaded.manifest.name == "tiny"
    assert loaded.sha256 == bundles.hash_bytes((folder / "manifest.json").read_bytes())
    assert GraphRunner(loaded).providers == ["CPUExecutionProvider"]


def test_every_changed_byte_is_found(folder: Path) -> None:
    for name in load(folder).manifest.files:
        content = (folder / name).read_bytes()
        changed = bytearray(content)
        changed[len(changed) // 2] ^= 1
        (folder / name).write_bytes(bytes(changed))
        assert "does not match its hash" in refused(folder)
        (folder / name).write_bytes(content)
    load(folder)


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "adapter/detector.safetensors").unlink()
    assert "detector.safetensors: missing" in refused(folder)


def test_a_file_nobody_hashed_is_refused(folder: Path) -> None:
    (folder / "adapter/extra.bin").write_bytes(b"?")
    assert "extra.bin: not listed" in refused(folder)


def test_a_manifest_that_leaves_out_the_graph_is_refused(folder: Path) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    edit(folder, files={name: digest for name, digest in files.items() if name != "model.onnx"})
    assert "does not list model.onnx" in refused(folder)


@pytest.mark.parametrize("version", [0, 2, "1", None])
def test_another_schema_version_is_refused(folder: Path, version: object) -> None:
    edit(folder, schema_version=version)
    assert "schema version" in refused(folder)


def test_unknown_and_impossible_fields_are_refused(folder: Path) -> None:
    edit(folder, surprise=1)
    assert "surprise" in refused(folder)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("favourable", ["neither"], "favourable"),
        ("favourable", ["negative", "positive"], "favourable"),
        ("labels", ["positive", "positive"], "labels must be distinct"),
        ("attributes", [], "at least 1"),
    ],
)
def test_labels_and_attributes_must_make_sense(folder: Path, field: str, value: object, why: str) -> None:
    edit(folder, **{field: value})
    assert why in refused(folder)


def test_a_graph_with_other_widths_is_refused(folder: Path) -> None:
    edit(folder, labels=["positive", "negative", "neutral"])
    assert "3 labels" in refused(folder)


def test_a_graph_with_other_inputs_is_refused(folder: Path) -> None:
    import onnx

    graph = onnx.load(folder / "model.onnx")
    for node in graph.graph.node:
        node.input[:] = ["levels" if name == "thresholds" else name for name in node.input]
    next(i for i in graph.graph.input if i.name == "thresholds").name = "levels"
    rewrite_graph(folder, graph.SerializeToString())
    assert "the graph's inputs are" in refused(folder)


def test_a_graph_that_is_no_graph_is_refused(folder: Path) -> None:
    rewrite_graph(folder, b"not a graph")
    assert "does not load the graph" in refused(folder)


def test_a_graph_that_reads_other_files_is_refused(folder: Path, tmp_path: Path) -> None:
    import onnx

    outside = tmp_path / "weights.bin"
    graph = onnx.load(folder / "model.onnx")
    weight = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    outside.write_bytes(weight.raw_data)
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", str(outside)), ("offset", "0"), ("length", str(outside.stat().st_size))):
        weight.external_data.add(key=key, value=value)
    rewrite_graph(folder, graph.SerializeToString())
    assert "names files of its own" in refused(folder)


def rewrite_graph(folder: Path, content: bytes) -> None:
    (folder / "model.onnx").write_bytes(content)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    edit(folder, files={**files, "model.onnx": bundles.hash_bytes(content)})


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "a/../../b", "a\\b", "./a", "a//b", "", "manifest.json", "a\n"]
)
def test_a_path_that_could_leave_the_folder_is_refused(folder: Path, path: str) -> None:
    with pytest.raises(ValueError, match="not a plain path"):
        check_path(path)
    files = json.loads((folder / "manifest.json").read_text())["files"]
    edit(folder, files={**files, path: "0" * 64})
    assert "not a plain path" in refused(folder)


def test_a_link_that_leaves_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_bytes((folder / "reference.json").read_bytes())
    (folder / "reference.json").unlink()
    (folder / "reference.json").symlink_to(outside)
    assert "points outside" in refused(folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000])
def test_a_manifest_that_is_no_manifest_is_refused(folder: Path, content: str) -> None:
    (folder / "manifest.json").write_text(content)
    assert "manifest.json" in refused(folder)


def test_no_folder_at_all_is_refused(tmp_path: Path) -> None:
    assert "no readable manifest.json" in refused(tmp_path / "nowhere")


@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "evaluation/evaluation.json"])
def test_a_graph_that_names_a_file_is_refused_wherever_it_lies(folder: Path, place: str) -> None:
    import onnx

    graph = onnx.load(folder / "model.onnx")
    weight = graph.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = onnx.TensorProto.EXTERNAL
    weight.external_data.add(key="location", value=place)
    rewrite_graph(folder, graph.SerializeToString())
    assert "names files of its own" in refused(folder)


def test_what_is_no_plain_file_is_refused_and_not_waited_for(folder: Path) -> None:
    (folder / "reference.json").unlink()
    os.mkfifo(folder / "reference.json")
    assert "not a plain file" in refused(folder)
    (folder / "reference.json").unlink()
    (folder / "reference.json").symlink_to("reference.json")
    assert "reference.json" in refused(folder)
    (folder / "manifest.json").unlink()
    os.mkfifo(folder / "manifest.json")
    assert "not a plain file" in refused(folder)


@pytest.mark.parametrize("value", ["NaN", "1e999", '"\\ud800"', "[" * 100_000])
def test_a_manifest_that_cannot_be_shown_is_refused(folder: Path, value: str) -> None:
    text = (folder / "manifest.json").read_text()
    manifest = json.loads(text)
    manifest["evaluation"] = {"x": "HERE"}
    (folder / "manifest.json").write_text(json.dumps(manifest).replace('"HERE"', value))
    assert "not JSON" in refused(folder)
