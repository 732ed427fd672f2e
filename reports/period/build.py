"""Builds a report of a period: the page, its JSON, the model card, and the event in the record."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from evenhand.console import say
from evenhand.reports.period import model_card
from evenhand.reports.period.integrity import integrity
from evenhand.reports.period.period_page import html
from evenhand.reports.period.sections import ReportScope, sections
from evenhand.reports.period.source import ReportError, open_record
from evenhand.service.audit.events import event

Plain = dict[str, Any]


@dataclass(frozen=True)
class ReportFiles:
    """What to write."""

    page: Path
    plain: Path | None = None
    """JSON."""
    card: Path | None = None


def build(record: str, state: Path, scope: ReportScope, files: ReportFiles) -> Plain:
    """Make a report and note in the record that it was made.

    Args:
        record: URL of the record's database; empty for the SQLite file in the state folder.
        state: Folder with the record's key.
        scope: What to report on.
        files: Where to.

    Returns:
        What :func:`evenhand.reports.period.sections.sections` gives, with ``record``.

    Raises:
        ReportError: it cannot be made.
    """
    with open_record(record, state) as source:
        result = sections(source, scope)
        result["record"] = integrity(source.engine, scope.period)
        page = html(result)
        digest = sha256(page.encode()).hexdigest()
        _write(files.page, page)
        if files.plain:
            _write(files.plain, json.dumps({**result, "page_sha256": digest}, indent=1) + "\n")
        if files.card and scope.bundle:
            _write(files.card, model_card.refreshed(scope.bundle, result))
        facts = {
            "model": result["model"],
            **scope.period.facts(),
            "rows": result["rows"]["counted"],
            "sha256": digest,
        }
        source.note(event("report", facts))
    return result


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror})") from error
    say(f"wrote {path}")
