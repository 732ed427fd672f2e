"""Bundles that must not be served stop the start with one sentence."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from evenhand.models.bundle.bundle import BundleError
from evenhand.service.catalog.loader import Loader
from evenhand.service.catalog.registry import Registry
from evenhand.service.catalog.reload import load_all
from evenhand.service.errors import InvalidInput, UnknownModel
from evenhand.service.inference.workers import Workers
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.settings import Settings


def load(*paths: Path) -> Registry:
    workers = Workers(1, lambda: None, stall_s=1.5)
    return load_all(paths, Loader(Settings(), workers, Metrics(CollectorRegistry())))


def test_no_bundle_is_an_error_that_says_what_to_do() -> None:
    with pytest.raises(BundleError, match="evenhand serve <folder>"):
        load()


def test_two_bundles_of_one_name_are_refused(demo: Path) -> None:
    with pytest.raises(BundleError, match="two bundles are hate-speech"):
        load(demo, demo)


def test_a_bundle_that_does_not_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no readable manifest"):
        load(tmp_path)


def test_a_bundle_that_does_not_hold_takes_no_other_model_down(
    demo: Path, altered: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = altered(0.5, "off", name="broken")
    (broken / "model.onnx").write_bytes(b"no graph")
    counted = CollectorRegistry()
    loader = Loader(Settings(), Workers(1, lambda: None, stall_s=1.5), Metrics(counted))
    registry = load_all([broken, tmp_path / "gone", demo], loader)
    assert [slot.model.manifest.name for slot in registry.slots] == ["hate-speech"]
    said = [record.getMessage() for record in caplog.records if "not served" in record.getMessage()]
    assert len(said) == 2
    assert "does not match its hash" in said[0]
    for name in ("broken", "gone"):
        labels = {"model": name, "result": "refused"}
        assert counted.get_sample_value("evenhand_reloads_total", labels) == 1


def test_a_candidate_never_becomes_live_because_the_live_version_is_broken(
    demo: Path, altered: Callable[..., Path]
) -> None:
    live = altered(0.5, "off")
    (live / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(BundleError, match="does not match its hash"):
        load(live, demo)


def test_models_are_found_by_name_and_never_guessed(demo: Path, altered: Callable[..., Path]) -> None:
    one = load(demo)
    assert one.get(None) is one.get("hate-speech")
    with pytest.raises(UnknownModel):
        one.get("other")
    assert one.get("hate-speech", "1.0.0") is one.get(None)
    with pytest.raises(UnknownModel):
        one.get("hate-speech", "0.9.0")
    with pytest.raises(InvalidInput, match="name one"):
        load(demo, altered(0.5, "off", name="other")).get(None)
