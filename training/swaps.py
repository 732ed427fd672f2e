"""Lists of identity terms, and the rows that swaps make of a table: the swapping itself is :mod:`models.swaps`."""

from __future__ import annotations

from pathlib import Path

from models.swaps import Swap, SwapError, Swapper, Terms, TermSwapper, make_swapper, read_terms
from training.data import DataError

__all__ = ["PACKAGED", "Swap", "SwapError", "Swapper", "TermSwapper", "Terms", "load_terms", "make_swapper"]

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
