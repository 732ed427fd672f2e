"""Copies of bundles that differ in what their manifest says."""

from pathlib import Path

from evenhand.models.bundle import bundle as bundles


def reversion(folder: Path, version: str, **more: str) -> Path:
    """Give a bundle another version, and other values of other fields of its manifest."""
    manifest, _ = bundles.read_manifest(folder)
    bundles.write_manifest(folder, manifest.model_copy(update={"version": version, **more}))
    return folder
