"""Write docs/methods/index.md from the registry and the pages: ``python docs/make_methods.py``.

A test compares them. A page's first paragraph begins with the methods it is about, as ``evenhand compare``
names them: ``--methods dfr``.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from evenhand.training.baselines.base import Method
from evenhand.training.baselines.index import STAGES

HERE = Path(__file__).parent / "methods"
INDEX = "index.md"
MADE = "<!-- Made by docs/make_methods.py from training/baselines/index.py: change that, not this page. -->"
ABOUT = re.compile(r"^`--methods ([a-z0-9,-]+)`", re.MULTILINE)
TITLES = {
    "controls": "To compare with",
    "before-training": "Before training: other rows, weights or labels",
    "in-training": "In training: another loss",
    "representation": "On the base's representation",
    "after-model": "After the model, with the declared group",
    "fairnet": "FairNet as published",
    "correctors": "Correctors at inference, in the graph",
    "ours": "Evenhand",
}
INTRO = """\
# Methods

These methods act against unequal treatment before, in and after training, and while serving.
`evenhand compare` runs them side by side on your data, with the same base and rows.
It shows accuracy against each fairness figure, with intervals, and a recommendation with its rule.
A stage's name stands for all of its methods: `--methods before-training,dfr`.

The columns of the tables are:

- **Attribute**: who sees it. The first word says of which training rows. The second says whether something \
is chosen
  with it on validation rows. The third says whether the row's own attribute is an input.
- **Served**: as a *bundle* of its own, as a *corrector* in the base's graph, or not, and how.
- **Cost**: the computation of a row relative to the base. *Counted* means that it depends on how many rows \
are
  corrected; `evenhand compare` shows the result."""
CONTINUOUS = "## While it serves\n\nThe service watches these all the time; none of them changes an answer."
WATCH, ALERT = "[Watch fairness](../howto/watch.md)", "[Answer an alert](../howto/alert.md)"
WATCHED = (
    (
        "Disparity tracking",
        "Fairlearn's gaps per group over windows, with counts, intervals and verdicts",
        WATCH,
    ),
    (
        "Evidence over time",
        "tests that you may look at any time: does a gap, or a correction's harm, go on?",
        WATCH,
    ),
    ("Drift limits", "flagged shares and risks against those of validation, with alerts", ALERT),
    (
        "Sliced analysis, discovered slices",
        "the worst slices of a period, over the record and your own features",
        "[`evenhand report`](../reference/cli.md#evenhand-report)",
    ),
    (
        "Gain and harm of the correction",
        "rows mended and broken, from feedback",
        "[What the figures mean](../explanation/figures.md)",
    ),
)


def about(text: str) -> list[str]:
    """The methods that a page is about."""
    match = ABOUT.search(text)
    return match[1].split(",") if match else []


def pages() -> dict[str, str]:
    """Every page but the index, by file name."""
    return {file.name: file.read_text() for file in sorted(HERE.glob("*.md")) if file.name != INDEX}


def index() -> str:
    """The index page."""
    texts = pages()
    page_of = {name: file for file, text in texts.items() for name in about(text)}
    parts = [INTRO, *(_stage(stage, methods, page_of) for stage, methods in STAGES.items())]
    others = [f"- [{_title(text)}]({file})" for file, text in texts.items() if not about(text)]
    parts += ["## Beside the comparison\n\n" + "\n".join(others)] if others else []
    watched = "\n".join(f"| {' | '.join(row)} |" for row in WATCHED)
    parts += [CONTINUOUS, f"| method | what it does | where |\n|---|---|---|\n{watched}"]
    return f"{MADE}\n\n" + "\n\n".join(parts) + "\n"


def _stage(stage: str, methods: tuple[Method, ...], page_of: dict[str, str]) -> str:
    head = "| method | name | attribute | served | cost |\n|---|---|---|---|---|"
    return "\n".join([f"## {TITLES[stage]}\n\n`--methods {stage}`\n", head, *_rows(methods, page_of)])


def _rows(methods: tuple[Method, ...], page_of: dict[str, str]) -> Iterator[str]:
    for method in methods:
        linked = f"[{method.title}]({page_of[method.name]})" if method.name in page_of else method.title
        served = method.served
        cost = "-" if served.how == "no" else "counted" if served.cost is None else f"{served.cost:.1f}"
        yield f"| {linked} | `{method.name}` | {method.sees} | {served.how}: {served.why} | {cost} |"


def _title(text: str) -> str:
    return text.splitlines()[0].removeprefix("# ")


def main() -> None:
    """Write the index."""
    (HERE / INDEX).write_text(index())
    sys.stdout.write(f"wrote docs/methods/{INDEX}\n")


if __name__ == "__main__":
    main()
