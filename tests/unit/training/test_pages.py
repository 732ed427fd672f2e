"""A page stands alone, escapes what it is given, and says its structure to a screen reader."""

import re
from html.parser import HTMLParser

import pytest

from evenhand.training.pages import Section, definitions, figure, page, paragraph, points, table, words

HOSTILE = "<script>alert('x')</script> & \"so on\""
VOID = {"meta"}


class Balance(HTMLParser):
    """Every element that opens closes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def whole() -> str:
    parts = [
        paragraph(HOSTILE),
        points([HOSTILE]),
        definitions({HOSTILE: HOSTILE}),
        table([HOSTILE, "n"], [[HOSTILE, HOSTILE]], HOSTILE),
        figure("<svg></svg>", HOSTILE),
    ]
    return page(HOSTILE, HOSTILE, [Section(HOSTILE, parts), Section(HOSTILE, [])])


def test_everything_given_is_escaped_and_the_markup_is_balanced() -> None:
    found = Balance()
    found.feed(whole())
    assert found.open == []
    assert "script" not in found.names
    assert found.names.count("th") == 3


def test_nothing_is_fetched_or_run() -> None:
    text = whole()
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=\"(?!#)", text)
    assert "url(" not in text
    assert "@import" not in text


def test_contents_link_to_sections_of_the_same_title() -> None:
    text = page("t", "i", [Section("Same", []), Section("Same", []), Section("?", [])])
    targets = re.findall(r'<h2 id="([^"]+)"', text)
    assert len(set(targets)) == 3
    assert re.findall(r'<a href="#([^"]+)"', text) == targets
    assert "<nav" not in page("t", "i", [Section("One", [])])


def test_light_dark_and_paper_are_provided_for() -> None:
    for need in ("prefers-color-scheme: dark", "@media print", 'lang="en"', 'name="viewport"'):
        assert need in whole()


def test_a_table_names_its_rows_and_columns_and_refuses_ragged_rows() -> None:
    text = table(["group", "n"], [["a", "1"]], "counts")
    assert '<th scope="col">group</th>' in text
    assert '<th scope="row">a</th><td>1</td>' in text
    assert "<caption>counts</caption>" in text
    with pytest.raises(ValueError, match="row 1 has 1 cells, the header 2"):
        table(["group", "n"], [["a", "1"], ["b"]])


def test_cells_that_say_a_mark_and_no_others_are_set_off() -> None:
    rows = [["breach", "breach"], ["b", "no breach"], ["c", HOSTILE]]
    found = table(["what", "verdict"], rows, marks={"breach": "bad", HOSTILE: "open"})
    assert found.count("<span") == 2
    assert '<th scope="row">breach</th><td><span class="mark bad">breach</span></td>' in found
    assert "<td>no breach</td>" in found
    assert '<span class="mark open">&lt;script&gt;' in found


def test_code_stands_between_backticks_and_is_escaped() -> None:
    assert words("run `a <b>` & go; ` is one") == "run <code>a &lt;b&gt;</code> &amp; go; ` is one"
