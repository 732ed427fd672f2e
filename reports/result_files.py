"""The files of a result: JSON for programs, a page for people."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from evenhand.console import say

Plain = dict[str, Any]


def write_result(result: Plain, html: Callable[[Plain], str], page: Path | None, plain: Path | None) -> None:
    """Write a result to the files that are named, and say so.

    Args:
        result: Plain JSON.
        html: Makes the page of it.
        page: File of the page.
        plain: File of the JSON.

    Raises:
        OSError: a file cannot be written.
    """
    if plain:
        plain.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    if page:
        page.write_text(html(result), encoding="utf-8")
    for file in filter(None, (page, plain)):
        say(f"wrote {file}")
