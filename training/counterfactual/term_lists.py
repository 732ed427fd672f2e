"""Read lists of identity terms, and write them into bundles.

:mod:`evenhand.models.bundle.terms` swaps the terms.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import BundleError
from evenhand.models.bundle.terms import SwapError, Terms, read_terms
from evenhand.training.data.dataset import DataError

PACKAGED = Path(__file__).parent / "terms/english.json"
"""Plain English terms, none of them a slur; copy and edit it for your own text."""


def load_terms(path: Path = PACKAGED) -> Terms:
    """Read a list of terms.

    Raises:
        DataError: there is no such file, or it cannot be used.
    """
    try:
        return read_terms(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: not readable ({error.strerror or error})") from error
    except SwapError as error:
        raise DataError(f"{path}: {error}") from error


def with_terms(path: Path, terms: Path, out: Path) -> None:
    """Write a copy of a bundle that contains terms, so that the service can swap them.

    The copy's version ends in ``+swaps``, because two bundles that are served together must differ.

    Raises:
        BundleError: ``out`` exists, or the bundle reads no text.
        DataError: the list cannot be used.
    """
    load_terms(terms)
    manifest = bundles.load(path).manifest
    if out.exists():
        raise BundleError(f"{out}: exists already; name a folder that does not")
    if manifest.task not in ("text", "pair"):
        raise BundleError(f"{path}: only texts and pairs need terms; leave --into out")
    shutil.copytree(path, out)
    shutil.copyfile(terms, out / bundles.SWAPS)
    version = f"{manifest.version.removesuffix('+swaps')}+swaps"
    changed = manifest.model_copy(update={"version": version, "files": bundles.hash_files(out)})
    bundles.write_manifest(out, changed)
    bundles.load(out)
