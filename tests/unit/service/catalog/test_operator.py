"""What one worker is told, all of them do; nobody's order is lost."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from rebundle import reversion, uncorrected

from evenhand.models.bundle.bundle import BundleError, read_manifest
from evenhand.models.bundle.manifest import Mode
from evenhand.service.catalog.loader import Loader
from evenhand.service.catalog.operator import Control
from evenhand.service.catalog.registry import Registry
from evenhand.service.catalog.reload import load_all
from evenhand.service.errors import InvalidInput
from evenhand.service.inference.workers import Workers
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.settings import Settings

NAME = "hate-speech"


ATTRIBUTES = ("any_group", "religion", "race", "gender", "orientation")


class Worker:
    def __init__(self, file: Path, *bundles: Path) -> None:
        workers, metrics = Workers(1, lambda: None, stall_s=1.5), Metrics(CollectorRegistry())
        self.registry: Registry = load_all(bundles, Loader(Settings(threads=1), workers, metrics))
        self.control = Control(self.registry, workers, metrics, lambda *_: None, file)

    @property
    def modes(self) -> list[Mode]:
        return self.registry.modes(self.registry.get(NAME))


@pytest.fixture
def workers(altered: Callable[..., Path], tmp_path: Path) -> list[Worker]:
    bundles = altered(0.5, "apply"), reversion(altered(0.5, "apply"), "2.0.0")
    return [Worker(tmp_path / "control.json", *bundles) for _ in range(2)]


def applied_but(**others: Mode) -> list[Mode]:
    """Modes by attribute, in the manifest's order."""
    return [others.get(name, "apply") for name in ATTRIBUTES]


async def followed(worker: Worker) -> None:
    await worker.control.follow()


async def test_orders_to_different_workers_add_up(workers: list[Worker]) -> None:
    first, second = workers
    first.control.set_mode(NAME, "race", "off")
    second.control.set_mode(NAME, "gender", "shadow")
    await followed(first)
    for worker in workers:
        assert worker.modes == applied_but(race="off", gender="shadow")
    first.control.set_shadow(NAME, "2.0.0")
    await followed(second)
    assert second.registry.roles[NAME].shadow == "2.0.0"
    second.control.promote(NAME, "2.0.0")
    await followed(first)
    assert first.registry.get(NAME).manifest.version == "2.0.0"
    assert first.registry.roles[NAME].shadow is None


async def test_a_replacement_does_what_was_ordered_before_it_came(
    workers: list[Worker], tmp_path: Path
) -> None:
    workers[0].control.set_mode(NAME, None, "off")
    late = Worker(tmp_path / "control.json", *(slot.model.path for slot in workers[0].registry.slots))
    assert late.modes == applied_but()
    await followed(late)
    assert late.modes == ["off"] * len(ATTRIBUTES)


async def test_a_version_that_is_not_loaded_here_leaves_what_is(
    workers: list[Worker], tmp_path: Path
) -> None:
    workers[0].control.promote(NAME, "2.0.0")
    poorer = Worker(tmp_path / "control.json", workers[0].registry.slots[0].model.path)
    await followed(poorer)
    assert poorer.registry.get(NAME).manifest.version == "1.0.0"


async def test_the_live_version_is_not_tried_beside_itself(workers: list[Worker]) -> None:
    with pytest.raises(InvalidInput, match="answers already"):
        workers[0].control.set_shadow(NAME, "1.0.0")


async def test_orders_that_cannot_be_read_leave_a_worker_as_it_is(
    workers: list[Worker], tmp_path: Path
) -> None:
    first, second = workers
    first.control.set_mode(NAME, "race", "off")
    await followed(second)
    loud = b'{"hate-speech": {"live": "1.0.0", "shadow": null, "modes": {"race": "loud"}}}'
    for content in (b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"hate-speech": {"live": 1}}', loud):
        (tmp_path / "control.json").write_bytes(content)
        await followed(second)
        assert second.modes == applied_but(race="off")
    first.control.set_mode(NAME, "gender", "off")
    await followed(second)
    assert second.modes == applied_but(race="off", gender="off")


async def test_a_correction_that_the_bundle_does_not_hold_cannot_be_switched_on(
    altered: Callable[..., Path], tmp_path: Path
) -> None:
    """Rows are still flagged and counted for its attribute."""
    bundle = uncorrected(altered(0.5, "off"), "race")
    worker = Worker(tmp_path / "control.json", bundle)
    with pytest.raises(InvalidInput, match="no correction to switch on for race; it corrects for any_group"):
        worker.control.set_mode(NAME, "race", "apply")
    worker.control.set_mode(NAME, "race", "off")
    worker.control.set_mode(NAME, None, "apply")
    assert worker.modes == applied_but(race="off")


async def test_an_order_for_an_earlier_version_switches_on_nothing_that_a_later_one_lacks(
    altered: Callable[..., Path], tmp_path: Path
) -> None:
    without = uncorrected(altered(0.5, "off"), "race")
    worker = Worker(tmp_path / "control.json", altered(0.5, "off"), reversion(without, "2.0.0"))
    worker.control.set_mode(NAME, "race", "apply")
    assert worker.modes == ["off", "off", "apply", "off", "off"]
    worker.control.promote(NAME, "2.0.0")
    assert worker.modes == ["off"] * len(ATTRIBUTES)


def test_a_bundle_cannot_switch_on_what_it_does_not_hold(altered: Callable[..., Path]) -> None:
    bundle = uncorrected(altered(0.5, "apply"), "race")
    with pytest.raises(BundleError, match="no correction comes with 'race'"):
        read_manifest(bundle)
