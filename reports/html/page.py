"""Self-contained HTML pages from templates: one file, no script, nothing fetched.

They are readable on screen (light, dark, narrow), on paper and aloud. Jinja2 escapes every value; only
:mod:`evenhand.reports.html.plots` hands over markup.
"""

from __future__ import annotations

import re
from itertools import chain, count
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from evenhand.reports.html import wording

FORMATS = ("count", "duration", "few", "moment", "number", "percent", "points")
"""Functions of :mod:`evenhand.reports.html.wording` that templates use as filters."""


class Contents:
    """The sections of one page, in the order in which the template renders them."""

    def __init__(self) -> None:
        self.sections: dict[str, str] = {}
        """Title by the name of its anchor."""

    def add(self, title: str) -> str:
        """Add a section and return the name of its anchor, which no other section of the page has."""
        plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        names = chain([plain], (f"{plain}-{number}" for number in count(2)))
        anchor = next(name for name in names if name not in self.sections)
        self.sections[anchor] = title
        return anchor


def code(text: str) -> Markup:
    """Plain text, with code between backticks."""
    escaped = str(escape(text))
    return Markup(re.sub("`([^`]+)`", r"<code>\1</code>", escaped))  # noqa: S704 # nosec B704


def _environment() -> Environment:
    folder = FileSystemLoader(Path(__file__).with_name("templates"))
    made = Environment(
        loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.filters.update({name: getattr(wording, name) for name in FORMATS}, code=code)
    made.globals.update(METRICS=wording.METRICS, RATES=wording.RATES)
    return made


ENVIRONMENT = _environment()


def render(template: str, **values: Any) -> str:  # noqa: ANN401 - whatever the template names
    """Fill in a template.

    Args:
        template: File in ``templates/``.
        values: Every name that the template uses.

    Returns:
        A whole HTML document.

    Raises:
        jinja2.UndefinedError: the template uses a name that ``values`` lacks.
    """
    return ENVIRONMENT.get_template(template).render(contents=Contents(), **values)
