"""What can be served is one question: start, reload, ``bundle verify`` and ``doctor`` give one answer."""

import json
import shutil
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from typer.testing import CliRunner

from evenhand.cli.bundle import app
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import BundleError
from evenhand.service.catalog.loader import Loader
from evenhand.service.catalog.reload import load_all
from evenhand.service.catalog.trial import try_bundle
from evenhand.service.doctor.checks import check_bundles
from evenhand.service.inference.engine import Engine
from evenhand.service.inference.workers import Workers
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.settings import Settings


@pytest.fixture
def folder(demo: Path, tmp_path: Path) -> Path:
    return shutil.copytree(demo, tmp_path / "bundle")


def edit(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    changed = {**manifest, **changes, "files": bundles.hash_files(folder)}
    (folder / "manifest.json").write_text(json.dumps(changed))


def reads_more_than_its_base_has_positions(folder: Path) -> None:
    edit(folder, input={"kind": "text", "max_tokens": 600, "pad_id": 0})


def pads_with_a_token_that_is_not_there(folder: Path) -> None:
    edit(folder, input={"kind": "text", "max_tokens": 32, "pad_id": 10**6})


def has_a_tokenizer_of_another_base(folder: Path) -> None:
    file = folder / "preprocess/tokenizer.json"
    content = json.loads(file.read_text())
    content["model"]["vocab"]["ready"] = 10**6
    file.write_text(json.dumps(content))
    edit(folder)


def has_no_figures(folder: Path) -> None:
    (folder / "reference.json").write_text("[]")
    edit(folder)


FAULTS = {
    reads_more_than_its_base_has_positions: "it reads rows of 600 tokens and fails on one",
    pads_with_a_token_that_is_not_there: "it fails when it is tried",
    has_a_tokenizer_of_another_base: "it fails when it is tried",
    has_no_figures: "reference.json",
}


def test_a_bundle_that_holds_is_ready(folder: Path) -> None:
    tried = try_bundle(folder)
    assert tried.bundle.manifest.name == "hate-speech"
    assert tried.seconds > 0
    assert CliRunner().invoke(app, ["verify", str(folder)]).exit_code == 0


@pytest.mark.parametrize("fault", FAULTS)
def test_everyone_refuses_it_in_the_same_sentence(fault: object, folder: Path) -> None:
    assert callable(fault)
    fault(folder)
    with pytest.raises(BundleError) as caught:
        try_bundle(folder)
    sentence = str(caught.value)
    assert FAULTS[fault] in sentence
    assert "\n" not in sentence
    said = CliRunner().invoke(app, ["verify", str(folder)])
    assert said.exit_code == 1
    assert sentence in said.output.replace("\n", "")
    (finding,) = check_bundles((folder,))
    assert (finding.state, sentence) == ("problem", finding.said)
    loader = Loader(Settings(), Workers(1, lambda: None, stall_s=1.5), Metrics(CollectorRegistry()))
    with pytest.raises(BundleError) as caught:
        load_all([folder], loader)
    assert str(caught.value) == sentence


class NobodysError(Exception):
    """Of a library that has its own."""


@pytest.mark.parametrize(
    "error", [NobodysError("bad\nluck"), MemoryError(), KeyError("weights"), OSError(5, "io")]
)
def test_whatever_a_library_raises_is_one_sentence(
    error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(Engine, "warm", fail)
    with pytest.raises(BundleError, match=f"it fails when it is tried .{type(error).__name__}") as caught:
        try_bundle(folder)
    assert "\n" not in str(caught.value)
    assert caught.value.__cause__ is error
