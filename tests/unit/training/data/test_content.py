"""Keys of work that is taken up again know what a file holds, not only where it lies."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evenhand.training.data.columns import Columns
from evenhand.training.data.content import files_hash, folder_hash, images_hash
from evenhand.training.data.dataset import Rows
from evenhand.training.learning.base_model import key_of, pretrained_hash
from evenhand.training.learning.config import FitConfig

CONFIG = FitConfig("tiny", "", Columns("text", "label", ("team",)))


def rows_of(items: list) -> Rows:
    zeros = np.zeros(len(items), dtype=np.int64)
    return Rows(items, zeros, {"team": zeros}, np.array(["train"] * len(items)), np.arange(len(items)))


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "base/inner").mkdir(parents=True)
    (tmp_path / "base/model.safetensors").write_bytes(b"weights")
    (tmp_path / "base/inner/config.json").write_text("{}")
    return tmp_path / "base"


def test_a_base_folder_is_known_by_names_and_content(base: Path) -> None:
    config, rows = replace(CONFIG, base=str(base)), rows_of(["a"])
    before = key_of(config, rows, "data")
    moved = shutil.copytree(base, base.with_name("moved"))
    assert key_of(replace(config, base=str(moved)), rows, "data") == before
    (base / "model.safetensors").write_bytes(b"WEIGHTS")
    os.utime(base / "model.safetensors", ns=(1, 1))
    assert key_of(config, rows, "data") != before
    (moved / "model.safetensors").rename(moved / "other.safetensors")
    assert key_of(replace(config, base=str(moved)), rows, "data") != before


def test_no_content_passes_for_the_name_of_the_next_file(tmp_path: Path) -> None:
    for name, content in (("one", b"a"), ("two", b"b"), ("both", b"ab"), ("none", b"")):
        (tmp_path / name).write_bytes(content)
    apart = files_hash([("x", tmp_path / "one"), ("y", tmp_path / "two")])
    assert apart != files_hash([("x", tmp_path / "both"), ("y", tmp_path / "none")])
    assert apart != files_hash([("y", tmp_path / "one"), ("x", tmp_path / "two")])


def test_images_count_by_what_they_show_wherever_they_lie(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # nobody is asked for the base
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.png").write_bytes(b"picture")
    first, second = ([tmp_path / folder / "a.png"] for folder in ("first", "second"))
    columns = Columns("file", "label", ("team",), task="image", images=str(tmp_path / "first"))
    config = replace(CONFIG, base="nobody/nowhere", columns=columns)
    elsewhere = replace(config, columns=replace(columns, images=str(tmp_path / "second")))
    assert images_hash(rows_of(["text"])) is None
    assert images_hash(rows_of(first)) == images_hash(rows_of(second))
    assert key_of(config, rows_of(first), "data") == key_of(elsewhere, rows_of(second), "data")
    second[0].write_bytes(b"another picture")
    assert key_of(config, rows_of(first), "data") != key_of(elsewhere, rows_of(second), "data")


def test_a_large_file_is_read_to_its_end(base: Path) -> None:
    content = bytearray(3_000_000)
    (base / "model.safetensors").write_bytes(content)
    before = folder_hash(base)
    content[-1] = 1
    (base / "model.safetensors").write_bytes(content)
    os.utime(base / "model.safetensors", ns=(1, 1))
    assert folder_hash(base) != before


def test_a_hub_id_is_known_by_its_revision_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision = "a" * 40
    place = tmp_path / "models--nobody--model"
    (place / "refs").mkdir(parents=True)
    (place / "refs/main").write_text(revision)
    (place / "snapshots" / revision).mkdir(parents=True)
    (place / "snapshots" / revision / "config.json").write_text('{"model_type": "bert"}')
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert pretrained_hash(replace(CONFIG, base="nobody/model")) == f"nobody/model@{revision}"
    assert pretrained_hash(replace(CONFIG, base="nobody/nowhere")) == "nobody/nowhere"
