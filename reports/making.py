"""From a record to files: the page, its JSON, the refreshed card, and the event that says so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from evenhand.console import say
from evenhand.reports import card
from evenhand.reports.contents import Asked, contents
from evenhand.reports.holds import holds
from evenhand.reports.opened import opened
from evenhand.reports.page import html
from evenhand.reports.period import ReportError
from evenhand.service.audit.events import event

Plain = dict[str, Any]


@dataclass(frozen=True)
class Files:
    """What to write."""

    page: Path
    plain: Path | None
    card: Path | None


def make(where: tuple[str, Path], asked: Asked, files: Files) -> Plain:
    """Make a report and note in the record that it was made.

    Args:
        where: URL of the record's database, and state folder.
        asked: What to report on.
        files: Where to.

    Returns:
        What :func:`evenhand.reports.contents.contents` gives, with ``record``.

    Raises:
        ReportError: it cannot be made.
    """
    with opened(*where) as record:
        result = contents(record, asked)
        result["record"] = holds(record.engine, asked.period)
        page = html(result)
        digest = sha256(page.encode()).hexdigest()
        _write(files.page, page)
        if files.plain:
            _write(files.plain, json.dumps({**result, "page_sha256": digest}, indent=1) + "\n")
        if files.card and asked.bundle:
            _write(files.card, card.refreshed(asked.bundle, result))
        told = {name: result["period"][name] for name in ("from", "to")}
        facts = {"model": result["model"], **told, "rows": result["rows"]["counted"], "sha256": digest}
        record.note(event("report", facts))
    return result


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{path}: cannot be written ({error.strerror})") from error
    say(f"wrote {path}")
