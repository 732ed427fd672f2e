"""The data on the screen, in manifest and card: every column with its role, and the rows left out."""

from __future__ import annotations

from evenhand.models.bundle.manifest import Column, Manifest
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.data.roles import roles_as_text


def data_in_words(rows: Rows, schema: Schema) -> list[str]:
    """For the screen: every column, what was guessed, and the rows left out with the number of the first."""
    return [
        *([roles_as_text(schema.columns)] if schema.columns else []),
        *schema.notes,
        *(
            f"{count} rows left out: {reason} (first: row {rows.first_left_out[reason]})"
            for reason, count in rows.left_out.items()
        ),
    ]


def described_columns(schema: Schema) -> list[Column]:
    """The columns as the manifest names them: without a value, as a bundle holds no row's content."""
    return [
        Column(name=c.name, role=c.role, kind=c.kind, missing=c.missing, why=c.why, note=c.note)
        for c in schema.columns
    ]


def data_card(manifest: Manifest) -> list[str]:
    """The card's section on the data; nothing for a bundle of an earlier version."""
    provenance = manifest.provenance
    if not provenance.columns:
        return []
    lines = [
        "| column | role | kind | missing | why it was dropped, or what was guessed |",
        "|---|---|---|---|---|",
    ]
    for column in provenance.columns:
        cells = (column.name, column.role, column.kind, f"{100 * column.missing:.1f} %", column.said)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    left_out = [f"- {count} rows left out: {_cell(reason)}" for reason, count in provenance.left_out.items()]
    notes = [f"- {_cell(note)}" for note in provenance.notes]
    rows = left_out or ["No row of the table was left out."]
    return ["## Data", "\n".join(lines), *(["\n".join(notes)] if notes else []), "\n".join(rows)]


def _cell(text: str) -> str:
    """Text on one line of a table."""
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return plain.replace("|", "\\|")
