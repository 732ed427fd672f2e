"""A page stands alone, escapes what it is given, and says its structure to a screen reader."""

import re

import pytest
from jinja2 import ChoiceLoader, DictLoader, UndefinedError
from pages import MARKUP, outline

from evenhand.reports.html import plots
from evenhand.reports.html.page import ENVIRONMENT, Contents, code

HEAD = """
{% extends "page.html.j2" %}
{% from "parts.html.j2" import figure, listed, mark, row, section, table, term with context %}
{% block title %}{{ text }}{% endblock %}
{% block intro %}{{ text }}{% endblock %}
"""
WHOLE = """
{% block main %}
{% call section(text) %}
{{ listed([text]) }}
<dl>{{ term(text, text) }}</dl>
{% call table([text, "n"], text) %}{{ row(text, text) }}{% endcall %}
{{ figure(svg, text) }}
{{ figure(text, text) }}
{% endcall %}
{% call section(text) %}{% endcall %}
{% endblock %}
"""


def page(body: str, **values: object) -> str:
    assert ENVIRONMENT.loader is not None
    loader = ChoiceLoader([DictLoader({"test.html.j2": HEAD + body}), ENVIRONMENT.loader])
    template = ENVIRONMENT.overlay(loader=loader).get_template("test.html.j2")
    return template.render(contents=Contents(), **{"text": "t", **values})


def whole() -> str:
    return page(WHOLE, text=MARKUP, svg=plots.flips({MARKUP: (1, 0)}))


def test_everything_is_escaped_and_the_markup_is_balanced() -> None:
    """Even where a figure is expected: what was not drawn by us is text."""
    read = outline(whole())
    assert "script" not in read.names
    assert read.names.count("th") == 3
    assert read.names.count("svg") == 1


def test_nothing_is_fetched_or_run() -> None:
    text = whole()
    assert "default-src 'none'" in text
    assert not re.search(r"(src|href)=\"(?!#)", text)
    assert not re.search(r"url\((?!#)", text)
    assert "@import" not in text


def test_contents_link_to_sections_of_the_same_title() -> None:
    each = "{% for title in titles %}{% call section(title) %}{% endcall %}{% endfor %}"
    sections = f"{{% block main %}}{each}{{% endblock %}}"
    text = page(sections, titles=["Same", "Same 2", "Same", "Same", "?"])
    targets = re.findall(r'<h2 id="([^"]+)"', text)
    assert len(set(targets)) == 5
    assert re.findall(r'<a href="#([^"]+)"', text) == targets
    assert "<nav" not in page(sections, titles=["One"])


def test_light_dark_narrow_and_paper_are_provided_for() -> None:
    for need in (
        "prefers-color-scheme: dark",
        "@media print",
        "max-width: 40rem",
        'lang="en"',
        'name="viewport"',
    ):
        assert need in whole()


def test_a_table_names_its_rows_and_columns() -> None:
    body = '{% call table(["group", "n"], "counts") %}{{ row("a", 1) }}{% endcall %}'
    text = page(f"{{% block main %}}{body}{{% endblock %}}")
    assert '<th scope="col">group</th>' in text
    assert '<th scope="row">a</th><td>1</td>' in text
    assert "<figcaption>counts</figcaption>" in text
    assert 'role="region" aria-label="counts"' in text


def test_verdicts_are_set_off_and_another_word_is_refused() -> None:
    body = "{% block main %}{{ mark(verdict) }}{% endblock %}"
    assert '<span class="mark bad">breach</span>' in page(body, verdict="breach")
    assert '<span class="mark open">insufficient data</span>' in page(body, verdict="insufficient data")
    with pytest.raises(UndefinedError):
        page(body, verdict="fine")


def test_a_name_that_is_missing_is_an_error_and_no_gap() -> None:
    with pytest.raises(UndefinedError):
        page("{% block main %}{{ missing }}{% endblock %}")


def test_code_stands_between_backticks_and_is_escaped() -> None:
    assert code("run `a <b>` & go; ` is one") == "run <code>a &lt;b&gt;</code> &amp; go; ` is one"
