"""Reads pages, and puts names that would run, were they not escaped, in the place of a user's."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from typing import Any

MARKUP = "<script>alert('x')</script>"
FREE_TEXT = ("file", "intended_use", "why", "reason", "sentence", "version", "base", "facts", "kind", "terms")
"""Keys of results under which stands what a person wrote, or a file's name."""


def hostile(result: Any, names: Sequence[str]) -> Any:
    """A result in which every one of some names, and every free text, holds markup; alike in all places."""
    words = re.compile(rf"(?<!\w)({'|'.join(map(re.escape, names))})(?!\w)")

    def changed(part: Any, key: str = "") -> Any:
        if isinstance(part, dict):
            return {changed(name): changed(value, name) for name, value in part.items()}
        if isinstance(part, list):
            return [changed(value, key) for value in part]
        if isinstance(part, str):
            text = words.sub(lambda match: f"{match[0]}{MARKUP}", part)
            return text + MARKUP if key in FREE_TEXT else text
        return part

    return changed(result)


def check_escaped(page: str, names: Sequence[str]) -> None:
    """Every name is on the page, none of it as markup, and the page is well formed."""
    assert "<script" not in page
    assert "script" not in outline(page).names
    for name in names:
        assert f"{name}&lt;script&gt;alert" in page, name


class Outline(HTMLParser):
    """Every element that opens closes, in order; a table's rows are as long as its header."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self._header = 0
        self._cells = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag != "meta":
            self.open.append(tag)
        self._cells += tag in ("td", "th")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if tag == "tr":
            self._header = self._cells if "thead" in self.open else self._header
            assert self._cells == self._header
            self._cells = 0


def outline(page: str) -> Outline:
    """Read a page.

    Raises:
        AssertionError: it is not well formed.
    """
    read = Outline()
    read.feed(page)
    assert read.open == []
    return read
