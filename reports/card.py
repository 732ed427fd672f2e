"""A model card with what happened in use: the bundle's own card, and a section with a period's figures."""

from __future__ import annotations

from typing import Any

from evenhand.models.bundle.bundle import Bundle
from evenhand.reports.period import ReportError
from evenhand.reports.words import METRICS, SOURCES, count, figure_of, in_short, not_known, verdicts

Plain = dict[str, Any]
CARD = "MODEL_CARD.md"


def refreshed(bundle: Bundle, result: Plain) -> str:
    """The card as Markdown.

    Args:
        bundle: The bundle.
        result: What :func:`evenhand.reports.contents.contents` returns.

    Raises:
        ReportError: the bundle has no card that can be read.
    """
    try:
        text = (bundle.path / CARD).read_text(encoding="utf-8")
    except OSError as error:
        raise ReportError(f"{bundle.path / CARD}: not readable ({error.strerror})") from error
    return f"{text.rstrip()}\n\n{in_use(result, bundle.sha256)}"


def in_use(result: Plain, sha256: str) -> str:
    """The section.

    Args:
        result: What was found.
        sha256: Names the bundle that the card is of.
    """
    rows, period = result["rows"], result["period"]["words"]
    ours = sum(told["rows"] for told in result["configurations"] if told["bundle"] == sha256)
    lines = [
        f"## In use, {period}",
        "",
        f"{count(rows['counted'])} decisions were counted. Of the {count(rows['recorded'])} on record {count(ours)} "
        f"were made by this bundle, and of {count(rows['labelled'])} the true label is known.",
        "",
        *(f"- {sentence}" for sentence in in_short(result)),
        "",
        "| attribute | groups | figure | base | corrected | verdict |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {SOURCES[source]} | {METRICS[metric['metric']]} | {figure_of(metric['base']['among'])} | "
            f"{figure_of(metric['final']['among'])} | {metric['verdict']} |"
            for name, source, metric in verdicts(result)
        ),
        "",
        "Not known:",
        "",
        *(f"- {sentence}" for sentence in not_known(result)),
    ]
    return "\n".join(lines) + "\n"
