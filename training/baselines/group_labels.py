"""One group per row, for methods that take a single one: reweighting, resampling, GroupDRO, DFR, thresholds.

The only place where several attributes become one. With one attribute, its groups; with several, the
combination of memberships (reference or not, per attribute), because single groups of four attributes would
cross into hundreds of cells, most of them empty. Intersections that are scored are among the combinations
anyway. A combination that is rare in the rows a method fits on falls to ``other``; rare means fewer than
:func:`floor_of` rows in some label. A weight or a threshold learnt from a handful of rows would make the
baseline look worse than it is. Rows with an unknown attribute, and ``other`` where it is rare itself, are
:data:`LEFT_OUT`: no weight, constraint or threshold uses their group. Each method documents their treatment.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from evenhand.training.data.dataset import Rows, Schema
from evenhand.typing import Ints

LEFT_OUT = -1
OTHER = "other"
FLOOR_ROWS, FLOOR_SHARE = 20, 0.005


@dataclass(frozen=True)
class Groups:
    """A single group for every row."""

    names: tuple[str, ...]
    codes: Ints
    """``(rows,)`` index into :attr:`names`, or :data:`LEFT_OUT`."""
    labels: Ints
    """``(rows,)`` true class."""
    classes: int

    @property
    def cells(self) -> Ints:
        """``(rows,)`` label x group: ``code * classes + label``, or :data:`LEFT_OUT`."""
        return np.where(self.codes == LEFT_OUT, LEFT_OUT, self.codes * self.classes + self.labels)

    @property
    def cell_count(self) -> int:
        """How many cells there are."""
        return len(self.names) * self.classes


def floor_of(rows: int) -> int:
    """Fewest rows of each label that a group needs to stand alone, where ``rows`` are fitted on."""
    return max(FLOOR_ROWS, round(FLOOR_SHARE * rows))


def merge(rows: Rows, schema: Schema, fitted_on: Ints) -> Groups:
    """Give every row its one group.

    Args:
        rows: All rows.
        schema: What their values mean.
        fitted_on: Rows that the method learns from; they decide what is rare. Others take over the same
            groups.
    """
    combined, names = _combined(rows, schema)
    floor, classes = floor_of(len(fitted_on)), len(schema.labels)

    def frequent(codes: Ints, code: int) -> bool:
        inside = fitted_on[codes[fitted_on] == code]
        return bool(np.bincount(rows.labels[inside], minlength=classes).min() >= floor)

    kept = [code for code in range(len(names)) if frequent(combined, code)]
    place = {code: index for index, code in enumerate(kept)}
    rest = len(kept)
    codes = np.array(
        [LEFT_OUT if code < 0 else place.get(int(code), rest) for code in combined], dtype=np.int64
    )
    kept_names = [names[code] for code in kept]
    if frequent(codes, rest):
        kept_names.append(OTHER)
    else:
        codes[codes == rest] = LEFT_OUT
    return Groups(tuple(kept_names), codes, rows.labels, classes)


def _combined(rows: Rows, schema: Schema) -> tuple[Ints, list[str]]:
    """Codes before rare ones are merged, and their names."""
    if len(schema.gated) == 1:
        ((name, groups),) = schema.gated.items()
        return rows.groups[name], list(groups)
    codes_by_attribute = np.stack([rows.groups[name] for name in schema.gated], axis=1)
    codes = (codes_by_attribute > 0) @ (1 << np.arange(codes_by_attribute.shape[1]))
    codes[(codes_by_attribute < 0).any(axis=1)] = LEFT_OUT
    return codes, [_name(schema, code) for code in range(1 << codes_by_attribute.shape[1])]


def _name(schema: Schema, code: int) -> str:
    members = [name for bit, name in enumerate(schema.gated) if code >> bit & 1]
    return " + ".join(members) or "reference"
