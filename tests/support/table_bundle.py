"""What of a bundle decides which rows of a table it can answer: its manifest and its features."""

from dataclasses import asdict
from pathlib import Path

import recording

from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.manifest import Attribute, TableInput
from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema, hold_out
from evenhand.training.data.fit_split import split_file
from evenhand.training.data.preprocess_file import features_json


def table_bundle(rows: Rows, schema: Schema, columns: Columns, data_sha256: str = "0" * 64) -> Bundle:
    """The bundle that ``evenhand fit`` would write of these rows, as far as rows are selected by it."""
    manifest = recording.MANIFEST
    provenance = manifest.provenance.model_copy(
        update={"settings": {"columns": asdict(columns)}, "data_sha256": data_sha256}
    )
    attributes = [
        Attribute(name=name, groups=list(groups), reference=groups[0], threshold=0.5, mode="apply", why="")
        for name, groups in schema.groups.items()
    ]
    fitted = manifest.model_copy(
        update={
            "task": "table",
            "input": TableInput(),
            "labels": list(schema.labels),
            "favourable": list(schema.favourable),
            "attributes": attributes,
            "provenance": provenance,
        }
    )
    features, split = features_json(rows, schema.columns), split_file(hold_out(rows, 0.3, seed=0))
    return Bundle(Path("fitted"), fitted, "0" * 64, b"", features, b"", split=split)
