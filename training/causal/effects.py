"""``evenhand causal``: the effects of an attribute on a bundle's decision, with intervals and refutations.

In order: bundle, table, graph, counterfactuals, the model's decision in each, refutation.

The result is plain JSON with stable keys (:data:`FORMAT` counts their versions):

- ``format``; ``made``: ``utc``, ``evenhand``, ``dowhy``; ``bundle``: ``name``, ``version``, ``sha256``;
  ``data``: ``file``, ``sha256``, ``rows`` (``in_file``, ``used``, ``incomplete``, ``left_out`` per split).
- ``graph``: ``file``, ``sha256``, ``edges`` that matter, ``mechanisms``, ``not_drawn`` (features without a
  node).
- ``attribute``, ``reference``, ``few``: groups with too few rows, and how many.
- ``effects``: by group and name (``total``, ``direct``, ``indirect``, ``through <mediators>``), for ``base``
  and ``final`` and ``decision`` and ``score``: ``n``, ``value``, ``low``, ``high``. ``not_told``: by name the
  column that keeps an effect from being told.
- ``refutation``: by group ``placebo`` and ``halves`` of the indirect effect on the served score;
  ``reproduced``: the observed and the simulated share of favourable decisions per group; ``independence``:
  ``tests`` and ``violations``.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd

from evenhand.console import say, track
from evenhand.models.bundle import bundle as bundles
from evenhand.stats import Z95
from evenhand.tables.table import Table
from evenhand.training.causal.counterfactuals import Counterfactuals, library
from evenhand.training.causal.graph import RecantingWitness, carriers, read_graph, relevant
from evenhand.training.causal.rows import KINDS, MEASURES, CausalRows, Decider, prepare
from evenhand.training.data.dataset import DataError
from evenhand.training.data.select_rows import RowSelection, input_columns, of_split
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.typing import Float64s

FORMAT = 1
PLACEBOS, HALVES = 10, 5
INDEPENDENCE_ROWS = 300
"""Tests of independence take time with the square of the rows."""
DECISION = "the decision"


@dataclass(frozen=True)
class CausalQuery:
    """The effects that a user wants to know."""

    attribute: str
    through: tuple[tuple[str, ...], ...] = ()
    """Sets of mediators; by default each child of the attribute alone."""
    rows: int = 2000
    resamples: int = 40
    seed: int = 0
    columns: RowSelection = field(default_factory=RowSelection)


@dataclass(frozen=True)
class Setup:
    """What all counterfactuals have in common."""

    decider: Decider
    graph: nx.DiGraph
    attribute: str
    reference: str
    groups: tuple[str, ...]
    ways: Mapping[str, frozenset[str]]
    """By effect the columns that see the other group; :data:`DECISION` is the model itself."""


def causal(path: Path, table: Table, graph_file: Path, query: CausalQuery) -> dict[str, Any]:
    """Effects of an attribute on a bundle's decision.

    Raises:
        BundleError: the bundle cannot be verified, or reads no table.
        DataError: the table or the graph cannot be used.
    """
    gcm = library()
    gcm.util.general.set_random_seed(query.seed)
    bundle = bundles.load(path)
    decider = Decider(bundle)
    drawn = read_graph(graph_file)
    graph = relevant(drawn, query.attribute, table.columns, decider.features.names)
    chosen, left_out = of_split(table, input_columns(table, bundle, query.columns))
    prepared = prepare([values for _, values in chosen], decider, list(graph), query.attribute)
    rows = prepared.rows
    if len(rows) > query.rows:
        rows = rows.sample(query.rows, random_state=query.seed).reset_index(drop=True)
    setup, few, unidentified = _setup(decider, graph, rows, query)
    say(f"learning what {query.attribute} changes from {len(rows)} rows")
    counterfactuals = Counterfactuals(graph, query.attribute, rows)
    return {
        "format": FORMAT,
        "made": {
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
            **{name: importlib.metadata.version(name) for name in ("evenhand", "dowhy")},
        },
        "bundle": {"name": bundle.manifest.name, "version": bundle.manifest.version, "sha256": bundle.sha256},
        "data": {
            "file": table.name,
            "sha256": table.sha256,
            "rows": _counted(table, rows, prepared, left_out),
        },
        "graph": {
            "file": graph_file.name,
            "sha256": bundles.hash_bytes(graph_file.read_bytes()),
            "edges": sorted(map(list, graph.edges)),
            "mechanisms": counterfactuals.mechanisms(),
            "not_drawn": [name for name in decider.features.names if name not in drawn],
        },
        "attribute": query.attribute,
        "reference": setup.reference,
        "few": few,
        "effects": _with_intervals(setup, counterfactuals, query.resamples),
        "not_told": unidentified,
        "refutation": _refutation(setup, counterfactuals),
    }


def effects(setup: Setup, counterfactuals: Counterfactuals) -> Float64s:
    """Every effect in one set of rows.

    Returns:
        ``(groups, ways, kinds, measures)``: difference of the mean from the one where all columns see the
        reference.
    """
    before = _decided(setup, counterfactuals, setup.reference, frozenset())
    differences = [
        [
            (_decided(setup, counterfactuals, group, seen) - before).mean(axis=2)
            for seen in setup.ways.values()
        ]
        for group in setup.groups
    ]
    return np.array(differences)


def _decided(setup: Setup, counterfactuals: Counterfactuals, group: str, seen: frozenset[str]) -> Float64s:
    rows = counterfactuals.of(group, seen, setup.reference)
    rows[setup.attribute] = group if DECISION in seen else setup.reference
    return setup.decider(rows)


def _setup(
    decider: Decider, graph: nx.DiGraph, rows: pd.DataFrame, query: CausalQuery
) -> tuple[Setup, dict[str, int], dict[str, str]]:
    attribute = query.attribute
    counts = rows[attribute].value_counts()
    references = {each.name: each.reference for each in decider.manifest.attributes}
    reference = references.get(attribute, str(counts.index[0]))
    enough = [str(group) for group, n in counts.items() if n >= MIN_CELL]
    groups = tuple(group for group in enough if group != reference)
    if reference not in enough or not groups:
        raise DataError(
            f"{attribute}: insufficient data; the reference and another group need {MIN_CELL} rows each"
        )
    children = frozenset(graph.successors(attribute))
    ways = {
        "total": children | {DECISION},
        "direct": frozenset({DECISION}),
        "indirect": children,
    }
    unidentified = {}
    for through in query.through or tuple((child,) for child in sorted(children)):
        name = f"through {', '.join(through)}"
        try:
            ways[name] = frozenset(carriers(graph, attribute, decider.features.names, through))
        except RecantingWitness as witness:
            unidentified[name] = str(witness)
    few = {str(group): int(n) for group, n in counts.items() if n < MIN_CELL}
    return Setup(decider, graph, attribute, reference, groups, ways), few, unidentified


def _with_intervals(setup: Setup, counterfactuals: Counterfactuals, resamples: int) -> dict[str, Any]:
    """Effects with normal 95 % intervals, from models fitted to bootstrap samples of the rows."""
    point, random = effects(setup, counterfactuals), np.random.default_rng(0)
    n = len(counterfactuals.rows)
    drawn = [
        effects(setup, _refitted(counterfactuals, counterfactuals.rows.iloc[random.integers(0, n, n)]))
        for _ in track(range(resamples), resamples, "effects in drawn rows")
    ]
    half = Z95 * np.std(drawn, axis=0, ddof=1)
    return {
        group: {
            way: {
                kind: {
                    measure: _interval(n, float(point[g, w, k, m]), float(half[g, w, k, m]))
                    for m, measure in enumerate(MEASURES)
                }
                for k, kind in enumerate(KINDS)
            }
            for w, way in enumerate(setup.ways)
        }
        for g, group in enumerate(setup.groups)
    }


def _refutation(setup: Setup, counterfactuals: Counterfactuals) -> dict[str, Any]:
    """Placebo effects, effects in halves, simulated against observed shares, and tests of independence."""
    random, n = np.random.default_rng(1), len(counterfactuals.rows)
    indirect = replace(setup, ways={"indirect": setup.ways["indirect"]})
    placebo, halves = [], []
    for _ in track(range(PLACEBOS), PLACEBOS, "effects of a shuffled group"):
        shuffled = counterfactuals.rows.assign(
            **{setup.attribute: random.permutation(counterfactuals.rows[setup.attribute].to_numpy())}
        )
        placebo.append(effects(indirect, _refitted(counterfactuals, shuffled)))
    for _ in track(range(HALVES), HALVES, "effects in halves of the rows"):
        halves.append(
            effects(
                indirect,
                _refitted(counterfactuals, counterfactuals.rows.iloc[random.permutation(n)[: n // 2]]),
            )
        )
    return {
        "placebo": _spread(setup.groups, placebo),
        "halves": _spread(setup.groups, halves),
        "reproduced": _reproduced(setup, counterfactuals),
        "independence": _independence(setup.graph, counterfactuals.rows),
    }


def _refitted(counterfactuals: Counterfactuals, rows: pd.DataFrame) -> Counterfactuals:
    return Counterfactuals(
        counterfactuals.graph, counterfactuals.attribute, rows.reset_index(drop=True), counterfactuals
    )


def _spread(groups: Sequence[str], repeats: Sequence[Float64s]) -> dict[str, Any]:
    """Mean, lowest and highest of the repeated effects on the served score."""
    values = np.array(repeats)[:, :, 0, KINDS.index("final"), MEASURES.index("score")]
    return {
        group: {"n": len(repeats), "value": float(of.mean()), "low": float(of.min()), "high": float(of.max())}
        for group, of in zip(groups, values.T, strict=True)
    }


def _reproduced(setup: Setup, counterfactuals: Counterfactuals) -> dict[str, dict[str, float]]:
    """Share of favourable decisions as served, in the observed and in the simulated rows."""
    kind, measure = KINDS.index("final"), MEASURES.index("decision")
    shares = [
        setup.decider(rows)[kind, measure] for rows in (counterfactuals.rows, counterfactuals.observed())
    ]
    groups = counterfactuals.rows[setup.attribute].to_numpy()
    return {
        group: {
            name: float(share[groups == group].mean())
            for name, share in zip(("observed", "simulated"), shares, strict=True)
        }
        for group in (setup.reference, *setup.groups)
    }


def _independence(graph: nx.DiGraph, rows: pd.DataFrame) -> dict[str, int]:
    """Local Markov tests: each changed column must be independent of its non-descendants given its causes."""
    from dowhy.gcm.falsify import FalsifyConst, validate_lmc

    few = rows[list(graph)].sample(min(len(rows), INDEPENDENCE_ROWS), random_state=0)
    # This graph lacks the causes' own causes, so it makes no claim about their independence.
    result = validate_lmc(graph, few, include_unconditional=False, n_jobs=1)
    counts = {"tests": FalsifyConst.N_TESTS, "violations": FalsifyConst.N_VIOLATIONS}
    return {"rows": len(few), **{name: int(result[key]) for name, key in counts.items()}}


def _interval(n: int, value: float, half: float) -> dict[str, Any]:
    return {"n": n, "value": value, "low": value - half, "high": value + half}


def _counted(
    table: Table, rows: pd.DataFrame, prepared: CausalRows, left_out: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "in_file": table.total,
        "used": len(rows),
        "incomplete": prepared.incomplete,
        "left_out": dict(left_out),
    }
