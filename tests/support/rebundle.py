"""Copies of bundles that differ in what their manifest says."""

from pathlib import Path

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.target import AttributeTarget, Measure, Target


def reversion(folder: Path, version: str, **more: str) -> Path:
    """Give a bundle another version, and other values of other fields of its manifest."""
    manifest, _ = bundles.read_manifest(folder)
    bundles.write_manifest(folder, manifest.model_copy(update={"version": version, **more}))
    return folder


def regrouped(folder: Path, **groups: tuple[str, ...]) -> Path:
    """Give attributes other groups in a bundle's manifest; the first of each is its reference."""
    manifest, _ = bundles.read_manifest(folder)
    attributes = [
        each.model_copy(update={"groups": list(groups[each.name]), "reference": groups[each.name][0]})
        if each.name in groups
        else each
        for each in manifest.attributes
    ]
    bundles.write_manifest(folder, manifest.model_copy(update={"attributes": attributes}))
    return folder


def targeted(folder: Path, **measures: Measure) -> Path:
    """State a target in a bundle's manifest, by attribute, without limits of its own."""
    manifest, _ = bundles.read_manifest(folder)
    aims = [AttributeTarget(attribute=name, measure=measure) for name, measure in measures.items()]
    target = Target(attributes=aims, max_loss=0.0, max_cell_loss=0.05)
    bundles.write_manifest(folder, manifest.model_copy(update={"target": target}))
    return folder


def uncorrected(folder: Path, *names: str) -> Path:
    """Say in a bundle's manifest that no correction comes with these attributes; their modes stay."""
    manifest, _ = bundles.read_manifest(folder)
    attributes = [
        each.model_copy(update={"corrects": each.name not in names}) for each in manifest.attributes
    ]
    bundles.write_manifest(folder, manifest.model_copy(update={"attributes": attributes}))
    return folder
