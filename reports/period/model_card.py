"""A model card with figures of its use: the bundle's own card, and a section about a period."""

from __future__ import annotations

from typing import Any

from evenhand.models.bundle.bundle import Bundle
from evenhand.reports.html.wording import METRICS, count, number
from evenhand.reports.period.sentences import SOURCES, in_short, not_known, verdicts
from evenhand.reports.period.source import ReportError

Plain = dict[str, Any]
CARD = "MODEL_CARD.md"


def refreshed(bundle: Bundle, result: Plain) -> str:
    """The card as Markdown.

    Args:
        bundle: The bundle.
        result: What :func:`evenhand.reports.period.build.build` returns.

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
        result: As above.
        sha256: Names the bundle that the card is of.
    """
    rows, period = result["rows"], result["period"]["words"]
    ours = sum(each["rows"] for each in result["configurations"] if each["bundle"] == sha256)
    lines = [
        f"## In use, {period}",
        "",
        f"{count(rows['counted'])} decisions were counted. Of the {count(rows['recorded'])} on record "
        f"{count(ours)} were made by this bundle, and of {count(rows['labelled'])} the true label is known.",
        "",
        *(f"- {sentence}" for sentence in in_short(result)),
        "",
        "| attribute | groups | figure | base | corrected | verdict |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {SOURCES[source]} | {METRICS[metric['metric']]} | "
            f"{number(metric['base']['among'], 'too few rows')} | "
            f"{number(metric['final']['among'], 'too few rows')} | {metric['verdict']} |"
            for name, source, metric in verdicts(result)
        ),
        "",
        "Not known:",
        "",
        *(f"- {sentence}" for sentence in not_known(result)),
    ]
    return "\n".join(lines) + "\n"
