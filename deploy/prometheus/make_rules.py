"""Write the recording rules next to this file: ``python deploy/prometheus/make_rules.py``.

``rules/totals.yml`` keeps exact running totals of the counters, ``rules/window_<w>.yml`` what a window says.
Alerts are written by hand in ``rules/alerts_fairness.yml`` and ``rules/alerts_service.yml``.

``increase()`` and ``rate()`` are nowhere in them: both extrapolate, so that ratios of them are not the ratios
of the rows, and both lose what a counter had when it was first seen.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from rule import FAMILIES, MEMORY, TENTHS, Family, Rule, by
from window import window_rules

RULES = Path(__file__).parent / "rules"
WINDOWS = {"1h": "15s", "1d": "1m", "7d": "1m", "30d": "1m"}
YOUNG_S = 600
"""A replica that is first seen at a higher age starts from its current counts: those may be of any time."""


def total(family: Family) -> Iterator[Rule]:
    """The exact running total of a counter over all replicas, whatever restarts."""
    seen = f"evenhand:{family.name}:seen"
    now, before = f'{seen}{{model!=""}}', f'last_over_time({seen}{{model!=""}}[{MEMORY}] offset 1ms)'
    start, started = f'{seen}{{model=""}}', f'last_over_time({seen}{{model=""}}[{MEMORY}] offset 1ms)'
    own = f"ignoring ({', '.join(family.labels)})"
    kept = f"last_over_time(evenhand:{family.name}:total[{MEMORY}] offset 1ms)"
    counters = f"({kept} or 0 * sum {by(family.labels)} ({now}))"
    yield Rule(seen, f"{family.series} or evenhand_start_time_seconds")
    yield Rule(
        f"evenhand:{family.name}:total",
        f"""\
{counters}
+
(
  sum {by(family.labels)} (
    ({now} - {before} >= 0 unless {own} ({start} > ({started} > 0)))
    or
    ({now} unless {own} (time() - ({start} unless {started}) >= {YOUNG_S}))
  )
  or 0 * {counters}
)""",
    )


TOTALS_WHY = f"""\
Running totals that lose no row which was scraped, and count none twice.
:seen is one look at a counter, together with the start time of each replica (the series without a model): \
one query,
so that both are of the same scrape. :total adds what came since the look before (offset 1ms: before this \
evaluation):
the difference where the replica is the same process; all of it where the replica began anew, where the \
series is new
in a replica that was known, or where a replica is met within {YOUNG_S} s of its start; nothing where an \
older one is
met. (A start of 0 is a worker's that has not said its own yet.) A replica that is gone, a missed evaluation \
and up to
{MEMORY} without Prometheus change nothing. After more than that the totals begin anew, and :begun says \
when: windows
that reach further back count from there."""


def totals() -> Iterator[Rule]:
    """All running totals."""
    yield Rule(
        "evenhand:totals:begun",
        f"last_over_time(evenhand:totals:begun[{MEMORY}] offset 1ms) or vector(time())",
        TOTALS_WHY,
    )
    for family in FAMILIES:
        yield from total(family)
    shares = [f'max by (model, attribute) (evenhand_reference_risk{{le="{le}"}} >= 0)' for le in TENTHS]
    tenths = [shares[0], *(f"{above} - {below}" for below, above in pairwise(shares))]
    yield Rule(
        "evenhand:reference_risk_share",
        "\nor\n".join(
            f'label_replace({share}, "le", "{le}", "", "")' for share, le in zip(tenths, TENTHS, strict=True)
        ),
        "Share of validation rows whose risk lies in the tenth that ends at le; none where the bundle "
        "does not say.",
    )


def file(group: str, interval: str, rules: Iterator[Rule]) -> str:
    """One file with one group, whose rules are evaluated in order."""
    head = "# Written by make_rules.py, which says more; do not edit.\ngroups:\n"
    return f"{head}  - name: {group}\n    interval: {interval}\n    rules:\n{''.join(map(str, rules))}"


def files() -> dict[str, str]:
    """Every file that this writes: its name and its text."""
    contents = {"totals.yml": file("evenhand-totals", "15s", totals())}
    for window, interval in WINDOWS.items():
        contents[f"window_{window}.yml"] = file(f"evenhand-{window}", interval, window_rules(window))
    return contents


def main() -> None:
    """Write them, into another folder where one is named."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else RULES
    for name, text in files().items():
        (folder / name).write_text(text)


if __name__ == "__main__":
    main()
