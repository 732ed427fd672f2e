"""Sequential evidence on made-up streams: false alarms, how soon a gap is found, and rows per second.

    python -m bench.evidence

The code that runs is the service's own. A stream's clock is such that ``RUN_LENGTH`` rows are the days per
false alarm.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from evenhand.service.monitoring.sequential.evidence import Comparison, Evidence, EvidenceSettings, Seen

RUN_LENGTH = 20_000
"""Rows per false alarm that the settings promise."""
RULES = EvidenceSettings()
GROUPS = ("reference", "group")
KEY = ("attribute", "group", "demographic_parity")


@dataclass(frozen=True, slots=True)
class Population:
    """A population of two groups that rows are drawn from."""

    share: float = 0.2
    """Share of rows of the smaller group."""
    rate: float = 0.45
    """Share of favourable answers in the reference group."""
    gap: float = 0.0
    """The reference group's rate minus the smaller group's."""


@dataclass(frozen=True, slots=True)
class StreamResult:
    """The alarms of one stream."""

    alarms: int
    first: int | None
    """Rows to the first alarm."""
    first_of_group: int | None
    """Of these, rows of the smaller group."""
    since_start: bool
    """Whether the process since the start found a gap."""


def rows(population: Population, n: int, seed: int, begin: int = 0) -> Iterator[Seen]:
    """Rows of one stream.

    Args:
        population: Where they come from.
        n: How many.
        seed: Of the random numbers.
        begin: How many rows came before.
    """
    random = np.random.default_rng(seed)
    ours = random.random(n) < population.share
    good = random.random(n) < np.where(ours, population.rate - population.gap, population.rate)
    day = RULES.days_per_false_alarm / RUN_LENGTH
    for at, (mine, favourable) in enumerate(zip(ours.tolist(), good.tolist(), strict=True), begin):
        yield Seen("attribute", GROUPS, "reference", 3, GROUPS[mine], favourable, at * day)


def follow(evidence: Evidence, stream: Iterator[Seen], until_alarm: bool = False) -> StreamResult:
    """Add a stream to the evidence, and count its alarms.

    Args:
        evidence: As it stands.
        stream: The rows.
        until_alarm: Whether to stop at the first alarm.
    """
    first = first_of_group = None
    of_group = 0
    for n, row in enumerate(stream, 1):
        of_group += row.group == "group"
        evidence.add(row, KEY[2])
        if first is None and evidence.comparisons[KEY].alarms:
            first, first_of_group = n, of_group
            if until_alarm:
                break
    comparison: Comparison = evidence.comparisons[KEY]
    return StreamResult(comparison.alarms, first, first_of_group, comparison.found_day is not None)


def steady(population: Population, n: int, streams: int) -> list[StreamResult]:
    """Streams of one population each."""
    return [follow(Evidence(RULES, {}), rows(population, n, seed)) for seed in _shown(streams)]


def changed(
    population: Population, streams: int, fair: int = 5_000, most: int = 100_000
) -> list[StreamResult]:
    """Streams that are fair first; what is counted begins with the change.

    Args:
        population: What they change to.
        streams: How many.
        fair: Rows before the change.
        most: Rows after it.
    """
    results = []
    for seed in _shown(streams):
        evidence = Evidence(RULES, {})
        before = follow(evidence, rows(Population(population.share, population.rate), fair, 2 * seed))
        if not before.alarms:
            results.append(follow(evidence, rows(population, most, 2 * seed + 1, fair), until_alarm=True))
    return results


def delays(results: list[StreamResult]) -> tuple[float, float]:
    """Median and 90th percentile of the smaller group's rows to the first alarm."""
    waits = [np.inf if one.first_of_group is None else one.first_of_group for one in results]
    return float(np.median(waits)), float(np.quantile(waits, 0.9))


def rows_per_second(n: int = 200_000) -> float:
    """Rows per second on one core."""
    evidence, stream = Evidence(RULES, {}), list(rows(Population(), n, 0))
    started = time.process_time()
    for row in stream:
        evidence.add(row, KEY[2])
    return n / (time.process_time() - started)


def _shown(streams: int) -> Iterator[int]:
    """Seeds, with progress on a terminal."""
    for seed in range(streams):
        if sys.stderr.isatty():
            print(f"\r{seed + 1}/{streams} streams ", end="", file=sys.stderr, flush=True)
        yield seed
    if sys.stderr.isatty():
        print("\r" + " " * 30, end="\r", file=sys.stderr, flush=True)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--streams", type=int, default=60, help="streams per line")
    streams = parser.parse_args().streams
    print(f"limit of a gap {RULES.gap}; promised run length: {RUN_LENGTH:,} rows")
    for gap, said in ((0.0, "fair"), (RULES.gap, "gap at the limit")):
        for share in (0.2, 0.5):
            results = steady(Population(share=share, gap=gap), 60_000, streams)
            print(
                f"{streams} streams of 60,000 rows, {said}, share {share}: "
                f"{sum(one.alarms for one in results)} false alarms (allowed: "
                f"{60_000 * streams // RUN_LENGTH}); the process since the start found "
                f"{sum(one.since_start for one in results)} (allowed: {RULES.level:.0%} of streams)"
            )
    for gap in (0.10, 0.15, 0.30):
        for share, rate in ((0.05, 0.45), (0.2, 0.45), (0.2, 0.3), (0.5, 0.45)):
            middle, late = delays(changed(Population(share, rate, gap), streams))
            print(
                f"gap {gap:.2f}, share {share}, rate {rate}: {middle:.0f} rows of the group (p90 {late:.0f})"
            )
    print(f"{rows_per_second():,.0f} rows per second and core")


if __name__ == "__main__":
    main()
