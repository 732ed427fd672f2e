"""``evenhand causal`` in order: bundle, table, graph, worlds, the model's decision in each, how far to believe it.

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
from evenhand.training.causal.counterfactuals import Worlds, library
from evenhand.training.causal.graph import RecantingWitness, carriers, read_graph, relevant
from evenhand.training.causal.rows import KINDS, MEASURES, CausalRows, Decider, prepare
from evenhand.training.data.dataset import DataError
from evenhand.training.data.select_rows import RowSelection, input_columns, of_split
from evenhand.training.data.table import Table
from evenhand.training.evaluation.metrics import MIN_CELL
from evenhand.typing import Float64s

FORMAT = 1
PLACEBOS, HALVES = 10, 5
INDEPENDENCE_ROWS = 300
"""Tests of independence take time with the square of the rows."""
DECISION = "the decision"


@dataclass(frozen=True)
class CausalQuery:
    """What a user asked for."""

    attribute: str
    through: tuple[tuple[str, ...], ...] = ()
    """Sets of mediators; each column right behind the attribute where none is given."""
    rows: int = 2000
    resamples: int = 40
    seed: int = 0
    columns: RowSelection = field(default_factory=RowSelection)


@dataclass(frozen=True)
class Setup:
    """What all worlds share."""

    decider: Decider
    graph: nx.DiGraph
    attribute: str
    reference: str
    groups: tuple[str, ...]
    ways: Mapping[str, frozenset[str]]
    """By effect which columns see the other group; :data:`DECISION` is the model itself."""


def causal(path: Path, table: Table, graph_file: Path, asked: CausalQuery) -> dict[str, Any]:
    """Effects of an attribute on a bundle's decision.

    Raises:
        BundleError: the bundle does not hold, or reads no table.
        DataError: the table or the graph cannot be used.
    """
    gcm = library()
    gcm.util.general.set_random_seed(asked.seed)
    bundle = bundles.load(path)
    decider = Decider(bundle)
    drawn = read_graph(graph_file)
    graph = relevant(drawn, asked.attribute, table.columns, decider.features.names)
    chosen, left_out = of_split(table, input_columns(table, bundle.manifest, asked.columns))
    prepared = prepare([values for _, values in chosen], decider, list(graph), asked.attribute)
    rows = prepared.rows
    if len(rows) > asked.rows:
        rows = rows.sample(asked.rows, random_state=asked.seed).reset_index(drop=True)
    setup, few, not_told = _setup(decider, graph, rows, asked)
    say(f"learning what {asked.attribute} changes from {len(rows)} rows")
    worlds = Worlds(graph, asked.attribute, rows)
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
            "mechanisms": worlds.mechanisms(),
            "not_drawn": [name for name in decider.features.names if name not in drawn],
        },
        "attribute": asked.attribute,
        "reference": setup.reference,
        "few": few,
        "effects": _with_intervals(setup, worlds, asked.resamples),
        "not_told": not_told,
        "refutation": _refutation(setup, worlds),
    }


def effects(setup: Setup, worlds: Worlds) -> Float64s:
    """Every effect in one set of rows.

    Returns:
        ``(groups, ways, kinds, measures)``: how the mean differs from a world where all see the reference.
    """
    before = _decided(setup, worlds, setup.reference, frozenset())
    found = [
        [(_decided(setup, worlds, group, seen) - before).mean(axis=2) for seen in setup.ways.values()]
        for group in setup.groups
    ]
    return np.array(found)


def _decided(setup: Setup, worlds: Worlds, group: str, seen: frozenset[str]) -> Float64s:
    rows = worlds.of(group, seen, setup.reference)
    rows[setup.attribute] = group if DECISION in seen else setup.reference
    return setup.decider(rows)


def _setup(
    decider: Decider, graph: nx.DiGraph, rows: pd.DataFrame, asked: CausalQuery
) -> tuple[Setup, dict[str, int], dict[str, str]]:
    attribute = asked.attribute
    counts = rows[attribute].value_counts()
    known = {each.name: each.reference for each in decider.manifest.attributes}
    reference = known.get(attribute, str(counts.index[0]))
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
    not_told = {}
    for through in asked.through or tuple((child,) for child in sorted(children)):
        name = f"through {', '.join(through)}"
        try:
            ways[name] = frozenset(carriers(graph, attribute, decider.features.names, through))
        except RecantingWitness as witness:
            not_told[name] = str(witness)
    few = {str(group): int(n) for group, n in counts.items() if n < MIN_CELL}
    return Setup(decider, graph, attribute, reference, groups, ways), few, not_told


def _with_intervals(setup: Setup, worlds: Worlds, resamples: int) -> dict[str, Any]:
    """Effects with 95 % intervals: normal, by the spread over models learnt anew from drawn rows."""
    point, random = effects(setup, worlds), np.random.default_rng(0)
    n = len(worlds.rows)
    drawn = [
        effects(setup, _again(worlds, worlds.rows.iloc[random.integers(0, n, n)]))
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


def _refutation(setup: Setup, worlds: Worlds) -> dict[str, Any]:
    """What should come to nothing, what should stay the same, and what should be as it was observed."""
    random, n = np.random.default_rng(1), len(worlds.rows)
    indirect = replace(setup, ways={"indirect": setup.ways["indirect"]})
    placebo, halves = [], []
    for _ in track(range(PLACEBOS), PLACEBOS, "effects of a group drawn by lot"):
        lots = worlds.rows.assign(
            **{setup.attribute: random.permutation(worlds.rows[setup.attribute].to_numpy())}
        )
        placebo.append(effects(indirect, _again(worlds, lots)))
    for _ in track(range(HALVES), HALVES, "effects in halves of the rows"):
        halves.append(effects(indirect, _again(worlds, worlds.rows.iloc[random.permutation(n)[: n // 2]])))
    return {
        "placebo": _spread(setup.groups, placebo),
        "halves": _spread(setup.groups, halves),
        "reproduced": _reproduced(setup, worlds),
        "independence": _independence(setup.graph, worlds.rows),
    }


def _again(worlds: Worlds, rows: pd.DataFrame) -> Worlds:
    return Worlds(worlds.graph, worlds.attribute, rows.reset_index(drop=True), worlds)


def _spread(groups: Sequence[str], found: Sequence[Float64s]) -> dict[str, Any]:
    """The one effect on the served score: mean, lowest and highest."""
    values = np.array(found)[:, :, 0, KINDS.index("final"), MEASURES.index("score")]
    return {
        group: {"n": len(found), "value": float(of.mean()), "low": float(of.min()), "high": float(of.max())}
        for group, of in zip(groups, values.T, strict=True)
    }


def _reproduced(setup: Setup, worlds: Worlds) -> dict[str, dict[str, float]]:
    """Share of favourable decisions as served, in the rows and in what the causal model makes of them."""
    kind, measure = KINDS.index("final"), MEASURES.index("decision")
    shares = [setup.decider(rows)[kind, measure] for rows in (worlds.rows, worlds.observed())]
    groups = worlds.rows[setup.attribute].to_numpy()
    return {
        group: {
            name: float(share[groups == group].mean())
            for name, share in zip(("observed", "simulated"), shares, strict=True)
        }
        for group in (setup.reference, *setup.groups)
    }


def _independence(graph: nx.DiGraph, rows: pd.DataFrame) -> dict[str, int]:
    """Whether each changed column is independent of what it does not cause, given its causes (local Markov)."""
    from dowhy.gcm.falsify import FalsifyConst, validate_lmc

    few = rows[list(graph)].sample(min(len(rows), INDEPENDENCE_ROWS), random_state=0)
    # The causes' own causes are not in this graph: whether those are independent of one another is not its
    # claim.
    found = validate_lmc(graph, few, include_unconditional=False, n_jobs=1)
    counts = {"tests": FalsifyConst.N_TESTS, "violations": FalsifyConst.N_VIOLATIONS}
    return {"rows": len(few), **{name: int(found[key]) for name, key in counts.items()}}


def _interval(n: int, value: float, half: float) -> dict[str, Any]:
    return {"n": n, "value": value, "low": value - half, "high": value + half}


def _counted(
    table: Table, rows: pd.DataFrame, prepared: CausalRows, left_out: Mapping[str, int]
) -> dict[str, Any]:
    return {
        "in_file": len(table.rows) + len(table.refused),
        "used": len(rows),
        "incomplete": prepared.incomplete,
        "left_out": dict(left_out),
    }
