"""A model card with figures of its use: the bundle's own card, and a section about a period."""

from __future__ import annotations

from typing import Any

from evenhand.models.bundle.bundle import Bundle
from evenhand.reports.html.wording import METRICS, count, number
from evenhand.reports.period.sentences import (
    SOURCES,
    in_short,
    information,
    losing,
    loss,
    not_known,
    targets,
)
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
        "| attribute | target | base | corrected | limit | verdict |",
        "|---|---|---|---|---|---|",
        *(
            f"| {name} | {METRICS[target['figure']]} | {number(target['base'], 'too few rows')} | "
            f"{number(target['final'], 'too few rows')} | "
            f"{'none' if target['limit'] is None else format(target['limit'], '.3g')} | "
            f"{target['verdict']} |"
            for name, target in targets(result)
        ),
        "",
        "Cells that the correction made less accurate:",
        "",
        *([f"- {name}: {loss(cell)}" for name, cell in losing(result)] or ["- none with enough rows"]),
        "",
        "Other figures are information, without a verdict.",
        "",
        "| attribute | groups | figure | base | corrected |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {SOURCES[source]} | {METRICS[metric['metric']]} | "
            f"{number(metric['base']['among'], 'too few rows')} | "
            f"{number(metric['final']['among'], 'too few rows')} |"
            for name, source, metric in information(result)
        ),
        "",
        "Not known:",
        "",
        *(f"- {sentence}" for sentence in not_known(result)),
    ]
    return "\n".join(lines) + "\n"
