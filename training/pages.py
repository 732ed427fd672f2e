"""Self-contained HTML pages: one file, no script, nothing fetched; readable on screen (light, dark), on paper, aloud.

Text given to this module is escaped here. Only :func:`figure` takes markup, which :mod:`evenhand.training.plots` makes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from types import MappingProxyType
from typing import Literal

STYLE = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1d21; --soft: #5a606b; --line: #c9cdd4; --band: #f3f4f6;
  --link: #0b5cad; --alarm: #a83200; }
@media (prefers-color-scheme: dark) { :root { --paper: #15171b; --ink: #e8eaee; --soft: #a9b0bb; --line: #434954;
  --band: #1f2228; --link: #8ec1ff; --alarm: #ff9a66; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 62rem; padding: 1.5rem 1.25rem 4rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", Arial, sans-serif; }
h1 { font-size: 1.8rem; line-height: 1.2; margin: 0 0 .75rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
p, li, dd { max-width: 46rem; }
a { color: var(--link); }
nav ol { padding-left: 1.4rem; columns: 18rem 2; }
dt { font-weight: 600; margin-top: .75rem; }
dd { margin: 0; }
code { font: .88em ui-monospace, "DejaVu Sans Mono", Consolas, monospace; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .92rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .8rem .3rem .4rem;
  border-bottom: 1px solid var(--line); }
thead th { border-bottom: 2px solid var(--ink); background: var(--band); }
tbody th { font-weight: 600; }
.mark { border: 1px solid currentColor; border-radius: .25rem; padding: 0 .35rem; white-space: nowrap; }
.bad { font-weight: 700; border-width: 2px; color: var(--alarm); } .open { border-style: dashed; color: var(--soft); }
figure { margin: 1.25rem 0; }
figure svg { width: 100%; max-width: 46rem; height: auto; display: block; }
figcaption { color: var(--soft); font-size: .92rem; max-width: 46rem; }
@media print { :root { --paper: #ffffff; --ink: #000000; --soft: #333333; --line: #999999; --band: #ffffff;
  --alarm: #7a2400; }
  html { font-size: 9.5pt; } body { max-width: none; padding: 0; } nav { display: none; } .scroll { overflow: visible; }
  h2 { break-after: avoid; } figure, tr { break-inside: avoid; } thead { display: table-header-group; }
  a { color: inherit; text-decoration: none; } }
"""


Mark = Literal["bad", "good", "open"]
"""How a cell is set off: something is wrong, nothing is, or nobody knows."""
NO_MARKS: Mapping[str, Mark] = MappingProxyType({})


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    parts: Sequence[str]
    """Markup from :func:`paragraph`, :func:`points`, :func:`definitions`, :func:`table` and :func:`figure`."""


def page(title: str, intro: str, sections: Sequence[Section]) -> str:
    """A whole HTML document.

    Args:
        title: Its heading and window title.
        intro: One paragraph under the heading.
        sections: What follows, with a list of contents where there are several.
    """
    anchors = _anchors([section.title for section in sections])
    parts = [f"<h1>{escape(title)}</h1>", paragraph(intro)]
    if len(sections) > 1:
        links = "\n".join(
            f'<li><a href="#{anchor}">{escape(section.title)}</a></li>'
            for anchor, section in zip(anchors, sections, strict=True)
        )
        parts.append(f'<nav aria-label="Contents"><ol>\n{links}\n</ol></nav>')
    for anchor, section in zip(anchors, sections, strict=True):
        body = "\n".join(section.parts)
        parts.append(f'<section aria-labelledby="{anchor}">\n<h2 id="{anchor}">{escape(section.title)}</h2>\n{body}\n')
        parts.append("</section>")
    body = "\n".join(parts)
    # Nothing may be fetched or run, even if something slipped through the escaping.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n</body>\n"
        "</html>\n"
    )


def paragraph(text: str) -> str:
    """One paragraph of plain text."""
    return f"<p>{words(text)}</p>"


def words(text: str) -> str:
    """Plain text, with code between backticks."""
    return re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))


def points(items: Sequence[str]) -> str:
    """A list of plain sentences."""
    return "<ul>\n" + "\n".join(f"<li>{escape(item)}</li>" for item in items) + "\n</ul>"


def definitions(terms: Mapping[str, str]) -> str:
    """Terms and what they mean."""
    pairs = (f"<dt>{escape(term)}</dt>\n<dd>{escape(meaning)}</dd>" for term, meaning in terms.items())
    return "<dl>\n" + "\n".join(pairs) + "\n</dl>"


def table(
    header: Sequence[str], rows: Sequence[Sequence[str]], caption: str = "", marks: Mapping[str, Mark] = NO_MARKS
) -> str:
    """A table; the first cell of a row names it.

    Args:
        header: Column titles.
        rows: Cells as plain text, as many per row as there are titles.
        caption: What the table shows; read aloud before it.
        marks: Cells that say just this are set off; they are told apart by their frame, and not by colour alone.

    Raises:
        ValueError: a row has more or fewer cells than the header.
    """
    ragged = next((number for number, row in enumerate(rows) if len(row) != len(header)), None)
    if ragged is not None:
        raise ValueError(f"table row {ragged} has {len(rows[ragged])} cells, the header {len(header)}")
    titles = "".join(f'<th scope="col">{escape(title)}</th>' for title in header)
    body = "\n".join(
        f'<tr><th scope="row">{escape(row[0])}</th>'
        + "".join(f"<td>{_cell(cell, marks)}</td>" for cell in row[1:])
        + "</tr>"
        for row in rows
    )
    said = f"<caption>{escape(caption)}</caption>\n" if caption else ""
    # Wide tables scroll by keyboard too, so the box that scrolls must take the focus.
    return (
        f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(caption or header[0])}">\n<table>\n{said}'
        f"<thead><tr>{titles}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n</div>"
    )


def _cell(text: str, marks: Mapping[str, Mark]) -> str:
    return f'<span class="mark {marks[text]}">{escape(text)}</span>' if text in marks else words(text)


def figure(svg: str, caption: str) -> str:
    """A figure from :mod:`evenhand.training.plots`, with a caption in plain text."""
    return f"<figure>\n{svg}\n<figcaption>{escape(caption)}</figcaption>\n</figure>"


def _anchors(titles: Sequence[str]) -> list[str]:
    """One distinct fragment name per title."""
    found: list[str] = []
    for title in titles:
        plain = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"
        found.append(plain if plain not in found else f"{plain}-{len(found) + 1}")
    return found
