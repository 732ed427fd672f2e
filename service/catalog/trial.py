"""Make a bundle ready to answer, and try it: the one test of what can be served.

``evenhand serve``, a reload, ``evenhand bundle verify`` and ``evenhand doctor`` all ask it, so they agree.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evenhand.models.bundle import reference
from evenhand.models.bundle.bundle import Bundle, BundleError, load
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoder
from evenhand.models.bundle.reference import Normal
from evenhand.models.bundle.runtime_onnx import Session
from evenhand.models.bundle.terms import Swapper, make_swapper, read_terms
from evenhand.service.inference.engine import Alone, Engine

log = logging.getLogger(__name__)
ROWS, TOKENS = 64, 512
"""Of the largest batch that a processor's default settings make."""


@dataclass(frozen=True)
class TriedBundle:
    """A verified bundle that has answered, and what serves it."""

    bundle: Bundle
    normal: Mapping[str, Normal]
    """Figures of validation by attribute."""
    encoder: Encoder
    engine: Engine
    swapper: Swapper | None
    """Makes counterfactuals of its rows; ``None`` if nothing in them can be replaced."""
    seconds: float
    """Of the largest batch."""
    tokens: int
    """Of the largest batch."""
    row_tokens: int
    """Of the longest of its examples."""


def try_bundle(
    path: Path,
    session: Session = Session(),
    alone: Alone | None = None,
    batch: tuple[int, int] = (ROWS, TOKENS),
) -> TriedBundle:
    """Verify a bundle, load it, and let it answer its examples, a longest row and a largest batch.

    Args:
        path: Its folder.
        session: How its graph runs.
        alone: How a single run gets all cores.
        batch: Rows and tokens of the largest batch.

    Raises:
        BundleError: it is not valid, or anything at all fails while it is loaded and tried.
    """
    try:
        bundle = load(path)
        normal = reference.read(bundle.reference, bundle.evaluation)
        encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
        engine = Engine(bundle, encoder, session, alone)
        seconds, tokens = engine.warm(*batch)
        swapper = _swapper(bundle, encoder)
        return TriedBundle(bundle, normal, encoder, engine, swapper, seconds, tokens, engine.row_tokens)
    except BundleError:
        raise
    except Exception as error:  # ONNX Runtime's, torch's and tokenizers' errors share no base class
        log.debug("%s cannot be loaded", path, exc_info=True)
        raise BundleError(f"{path}: {_in_one_line(error)}") from error


def _swapper(bundle: Bundle, encoder: Encoder) -> Swapper | None:
    """Makes counterfactuals of a bundle's rows; ``None`` if nothing in them can be replaced.

    Raises:
        ValueError: the bundle's terms are not valid.
    """
    features = encoder.features if isinstance(encoder, TableEncoder) else None
    terms = read_terms(bundle.swaps) if bundle.swaps else None
    return make_swapper(bundle.manifest, features, terms)


def _in_one_line(error: Exception) -> str:
    """What a library said, its first line; some say nothing."""
    said = str(error).strip().splitlines()
    ours = isinstance(error, ValueError | RuntimeError) and type(error).__module__ == "builtins"
    if said and ours:
        return said[0]
    return f"it fails when it is tried ({type(error).__name__}{f': {said[0]}' if said else ''})"
