"""What a reply warns of, row by row. A warning names attributes and features of the model, never an input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from evenhand.models.bundle.encoders.unusual import FAR, FAR_DEVIATIONS, MISSING, UNSEEN, FeatureCheck
from evenhand.models.bundle.manifest import UNKNOWN_GROUP, Manifest
from evenhand.service.errors import InvalidInput
from evenhand.service.inference import preprocess
from evenhand.service.types import Example, RowWarning

UNKNOWN = "unknown_group"
SHOWN = 40
"""Features that a warning names at most."""
SAID = {
    UNKNOWN: "the declared group is none that the model lists, and is counted as unknown: {}",
    MISSING: "features without a value: {}",
    UNSEEN: "a value that no row had that the model was fitted on: {}",
    FAR: f"more than {FAR_DEVIATIONS:g} standard deviations from the mean of the rows that the model was "
    "fitted on: {}",
}
Warnings = list[tuple[RowWarning, ...]]


def warnings_of(
    rows: Sequence[object],
    declared: Sequence[Mapping[str, str]],
    manifest: Manifest,
    check: FeatureCheck | None,
) -> Warnings:
    """What to warn of, for each row; nothing for a row that cannot be read.

    Args:
        rows: Examples, or errors.
        declared: Groups that the client declared for each.
        manifest: Of the model.
        check: Of the model's features, where it has any.
    """
    warned: list[list[RowWarning]] = [
        _of_groups(groups, manifest) if groups and isinstance(row, Example) else []
        for row, groups in zip(rows, declared, strict=True)
    ]
    if check is not None:
        places, examples = [], []
        for place, row in enumerate(rows):
            if isinstance(row, Example):
                places.append(place)
                examples.append(row.encoded)
        for place, unusual in zip(places, check.check(examples), strict=True):
            warned[place] += [_warning(one.kind, one.names) for one in unusual]
    return [tuple(of_row) for of_row in warned]


def refuse_unlisted(declared: Sequence[Mapping[str, str]], manifest: Manifest) -> None:
    """Refuse a request that declares a group that the model does not list.

    Raises:
        InvalidInput: it does; the message says where, and which groups the model has.
    """
    for place, groups in enumerate(declared):
        for name in preprocess.unlisted(groups, manifest):
            (attribute,) = (one for one in manifest.attributes if one.name == name)
            has = ", ".join([*attribute.groups, UNKNOWN_GROUP])
            raise InvalidInput(f"groups[{place}] declares a group of {name} that is none of {has}")


def _of_groups(groups: Mapping[str, str], manifest: Manifest) -> list[RowWarning]:
    names = preprocess.unlisted(groups, manifest)
    return [_warning(UNKNOWN, tuple(names))] if names else []


def _warning(kind: str, names: tuple[str, ...]) -> RowWarning:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return RowWarning(kind, names, SAID[kind].format(", ".join(names[:SHOWN]) + more))
