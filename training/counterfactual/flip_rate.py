"""``evenhand flip`` in order: bundle, table, the same rows with another group in them, changed answers.

The result is plain JSON with stable keys (:data:`FORMAT` counts their versions):

- ``format``; ``made``: ``utc``, ``evenhand``.
- ``bundle``: ``name``, ``version``, ``sha256`` (of its manifest), ``labels``, ``favourable``.
- ``data``: ``file``, ``sha256``, ``rows`` (``in_file``, ``tried``, ``swapped``, ``refused``, ``left_out`` per
  split).
- ``terms``: ``file``, ``sha256``; ``null`` for a table, whose column is replaced.
- ``not_swapped``: by attribute of the bundle why no row of it could be swapped.
- ``attributes``: by name ``rows`` that name a group of it, ``swaps`` of them, ``unseen`` (the model reads
  both rows alike), ``any`` (rows whose label flips under at least one swap) and ``directions``: ``source``,
  ``target``, and for ``base`` and ``final`` the ``flipped`` share, how many ``to_favourable`` and
  ``to_unfavourable``, and the mean ``change`` of the probability of a favourable label; ``worst``: the swaps
  that change that most, by row number.

Every rate is ``n``, ``value``, ``low``, ``high`` (95 %); ``null`` where no row supports it. No text is in it.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.console import say, track
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.inputs import Encoded, Encoder, InputError
from evenhand.models.bundle.manifest import Manifest
from evenhand.models.bundle.runner import make_runner
from evenhand.models.bundle.terms import Swap, Swapper, make_swapper
from evenhand.tables.table import Table
from evenhand.training.counterfactual.flip_figures import SwapPair, figures
from evenhand.training.counterfactual.term_lists import PACKAGED, load_terms
from evenhand.training.data.dataset import DataError
from evenhand.training.data.select_rows import RowSelection, check_inputs, input_columns, item_of, of_split
from evenhand.training.evaluation.bundle_score import answer

FORMAT = 1


@dataclass(frozen=True)
class Swapped:
    """Rows that name a group, with their swaps."""

    encoded: list[Encoded]
    pairs: list[SwapPair]
    refused: int
    left_out: dict[str, int]
    tried: int


def flip(path: Path, table: Table, selection: RowSelection, terms: Path = PACKAGED) -> dict[str, Any]:
    """Swap groups in a table's rows and compare the answers.

    Args:
        path: Folder of the bundle.
        table: Rows; their labels are not read.
        selection: Columns and splits; ``attributes`` are those to swap, or all if empty.
        terms: List of terms; not read for a table.

    Raises:
        BundleError: the bundle cannot be verified or does not run here.
        DataError: the table or the list cannot be used, or no row can be swapped.
    """
    bundle = bundles.load(path)
    encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
    swapper = swapper_for(bundle, encoder, terms, selection.attributes)
    columns = input_columns(table, bundle, selection)
    swapped = _swap(table, columns, bundle.manifest, encoder, swapper)
    if not swapped.pairs:
        raise DataError(
            f"{table.name}: none of {swapped.tried} rows names a group; --terms takes a list of your own"
        )
    say(f"running {len(swapped.pairs)} swaps of {len({pair.before for pair in swapped.pairs})} rows")
    answers = answer(make_runner(bundle), bundle.manifest, swapped.encoded, np.arange(len(swapped.encoded)))
    return {
        "format": FORMAT,
        "made": {
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "evenhand": importlib.metadata.version("evenhand"),
        },
        "bundle": {
            "name": bundle.manifest.name,
            "version": bundle.manifest.version,
            "sha256": bundle.sha256,
            "labels": bundle.manifest.labels,
            "favourable": bundle.manifest.favourable,
        },
        "data": _data(table, swapped),
        "terms": None if isinstance(encoder, TableEncoder) else _file(terms),
        "not_swapped": _not_swapped(bundle.manifest, swapper, swapped),
        "attributes": figures(answers, swapped.pairs, bundle.manifest),
    }


def swapper_for(bundle: Bundle, encoder: Encoder, terms: Path, attributes: Sequence[str]) -> Swapper:
    """The swapper of a bundle's rows, for the named attributes, or for all if none is named.

    Raises:
        DataError: nothing can be swapped; the message says why.
    """
    manifest = bundle.manifest
    if manifest.task == "image":
        raise DataError(
            f"{bundle.path}: an image has no terms to swap; swaps are for texts, pairs and tables"
        )
    if isinstance(encoder, TableEncoder):
        kept = [each for each in manifest.attributes if not attributes or each.name in attributes]
        swapper = make_swapper(manifest.model_copy(update={"attributes": kept}), encoder.features, None)
        names: Sequence[str] = manifest.attribute_names
    else:
        listed = load_terms(terms)
        names = list(listed)
        chosen = {name: groups for name, groups in listed.items() if not attributes or name in attributes}
        swapper = make_swapper(manifest, None, chosen)
    gone = [name for name in attributes if name not in names]
    if gone:
        raise DataError(f"--attribute {gone[0]}: nothing to swap by that name; there is {', '.join(names)}")
    if swapper is None:
        raise DataError(
            f"{bundle.path}: the model reads no column of its attributes, so its answer cannot change with "
            "them alone; evenhand causal follows what they change in other columns"
        )
    return swapper


def _swap(
    table: Table, selection: RowSelection, manifest: Manifest, encoder: Encoder, swapper: Swapper
) -> Swapped:
    check_inputs(table, encoder, manifest, selection)
    chosen, left_out = of_split(table, selection)
    encoded: list[Encoded] = []
    pairs: list[SwapPair] = []
    refused = len(table.refused)
    for number, values in track(chosen, len(chosen), "swapping groups"):
        try:
            item = item_of(values, selection, manifest, encoder)
            before = encoder.encode(item)
            swaps = [(swap, encoder.encode(swap.item)) for swap in swapper.swaps(item)]
        except InputError:
            refused += 1
        else:
            _add(encoded, pairs, (number, before), swaps)
    return Swapped(encoded, pairs, refused, left_out, len(chosen))


def _add(
    encoded: list[Encoded],
    pairs: list[SwapPair],
    row: tuple[int, Encoded],
    swaps: Sequence[tuple[Swap, Encoded]],
) -> None:
    """Add one row and its swaps."""
    number, before = row
    place = len(encoded)
    if swaps:
        encoded.append(before)
    for swap, after in swaps:
        pairs.append(SwapPair(number, swap, place, len(encoded), _alike(before, after)))
        encoded.append(after)


def _alike(first: Encoded, second: Encoded) -> bool:
    return all(np.array_equal(values, second.arrays[name]) for name, values in first.arrays.items())


def _data(table: Table, swapped: Swapped) -> dict[str, Any]:
    return {
        "file": table.name,
        "sha256": table.sha256,
        "rows": {
            "in_file": table.total,
            "tried": swapped.tried,
            "swapped": len({pair.before for pair in swapped.pairs}),
            "refused": swapped.refused,
            "left_out": swapped.left_out,
        },
    }


def _file(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": bundles.hash_bytes(path.read_bytes())}


def _not_swapped(manifest: Manifest, swapper: Swapper, swapped: Swapped) -> dict[str, str]:
    """Why an attribute of the bundle has no figure."""
    why = "the model does not read its column" if manifest.task == "table" else "the list has no terms of it"
    reasons = {name: why for name in manifest.attribute_names if name not in swapper.attributes}
    seen = {pair.swap.attribute for pair in swapped.pairs}
    return reasons | {name: "no row names a group of it" for name in swapper.attributes if name not in seen}
