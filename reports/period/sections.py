"""The sections of a period's report, as data: decisions, figures, tables, slices, events. Read it first.

The result is plain JSON with stable keys (:data:`FORMAT` counts their versions):

- ``format``; ``made``: ``utc``, ``evenhand``; ``model``; ``period``: ``from``, ``to``, ``words``.
- ``rows``: ``recorded`` (answered), ``failed``, ``erased``, ``counted`` (in the hourly counts), ``labelled``,
  ``not_held`` (per attribute, rows whose declared group is not kept any more); ``groups_readable``: whether
  the record's key was at hand.
- ``configurations``: what decided, each ``sha256``, ``rows``, ``version``, ``bundle``, ``labels``,
  ``favourable``, ``attributes``.
- ``record``: ``state`` of its chain (``holds``, ``does not hold``), its ``sentence``, and the last
  ``checkpoint``.
- ``modes``: per attribute, rows by the mode that answered them.
- ``fairness``: what :func:`evenhand.service.monitoring.summary.summary` gives: the target of each attribute
  with its verdict, and other metrics as information.
- ``local_law_144``: what :func:`evenhand.reports.period.bias_audit.law_tables` gives.
- ``slices``: per outcome what :class:`evenhand.reports.period.slices.SliceSearch` holds, and the ``features``
  that were looked at.
- ``events``: what :func:`evenhand.reports.period.operations.operations` gives; ``feedback``: ``labelled``,
  ``delay_s`` (median, ninetieth).

Every rate is ``n``, ``value``, ``low``, ``high`` (95 %); ``null`` where no row supports it.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from evenhand.console import say
from evenhand.models.bundle.aims import aims_of
from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.intersections import Grouped, watched_intersections
from evenhand.models.bundle.manifest import Attribute
from evenhand.models.bundle.reference import read
from evenhand.models.bundle.target import Target
from evenhand.reports.period import user_features
from evenhand.reports.period.bias_audit import LawAttributes, law_tables
from evenhand.reports.period.decisions import SCORE, DecisionQuery, Decisions, read_decisions
from evenhand.reports.period.operations import operations
from evenhand.reports.period.slices import Feature, SliceRules, find_worst
from evenhand.reports.period.source import RecordSource, ReportError, ReportPeriod
from evenhand.reports.period.user_features import UserFeatures
from evenhand.service.audit.events import event
from evenhand.service.monitoring import cells
from evenhand.service.monitoring.cells import Cells, Window
from evenhand.service.monitoring.sequential.evaluator import read_evidence
from evenhand.service.monitoring.sequential.evidence import EvidenceSettings
from evenhand.service.monitoring.sequential.verdicts import findings
from evenhand.service.monitoring.summary import LIMITS, Facts, summary

FORMAT = 2
SEED = 0
Plain = dict[str, Any]


@dataclass(frozen=True)
class RecordedManifest:
    """The part of a manifest that the record keeps."""

    name: str
    version: str
    attributes: Sequence[Attribute]
    labels: Sequence[str]
    favourable: Sequence[str]
    target: Target | None


@dataclass(frozen=True)
class ReportScope:
    """What to report on."""

    model: str | None
    """None for the only one of the record."""
    period: ReportPeriod
    law_attributes: LawAttributes
    features: Path | None
    """Table of the user's own features."""
    rules: EvidenceSettings
    """The tolerated gap, and how many rows a verdict needs, as in the service."""
    bundle: Bundle | None
    """The model's: usual figures in validation, and its attributes where the record has none any more."""

    @property
    def limits(self) -> dict[str, float]:
        """The limits of verdicts."""
        return {**LIMITS, "gap": self.rules.gap, "rows": float(self.rules.rows)}


def sections(source: RecordSource, scope: ReportScope) -> Plain:
    """Gather all sections.

    Args:
        source: The record; reading declared groups is noted in it first.
        scope: What to report on.

    Returns:
        The keys of this module's docstring, without ``record``.

    Raises:
        ReportError: no report can be made of this model and period.
    """
    model, period, limits = source.model_of(scope.model), scope.period, scope.limits
    own = user_features.read(scope.features) if scope.features else None
    if scope.bundle is not None and scope.bundle.manifest.name != model:
        raise ReportError(f"--bundle is of {scope.bundle.manifest.name}, and the report of {model}")
    configurations = source.of_model(model)
    attributes = list(_attributes(configurations.values(), scope.bundle))
    _check_names(scope.law_attributes, attributes)
    counted = _counted(source, model, period)
    if source.keys:
        facts = {"what": "declared groups", "why": "report", "model": model, **period.facts()}
        source.note(event("access", facts))
    say(f"{model}, {period}: reading decisions")
    with source.engine.connect() as connection:
        query = DecisionQuery(model, period, attributes, source.keys, own is not None)
        decisions = read_decisions(connection, query)
        law = law_tables(connection, decisions, query, scope.law_attributes, int(limits["rows"]))
        events = operations(connection, model, period)
    return {
        "format": FORMAT,
        "made": {
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "evenhand": importlib.metadata.version("evenhand"),
        },
        "model": model,
        "period": {**period.facts(), "words": str(period)},
        "rows": _rows(decisions, counted),
        "groups_readable": source.keys is not None,
        "configurations": [
            {"sha256": name, "rows": rows, **configurations[name]}
            for name, rows in decisions.configurations.most_common()
        ],
        "modes": {name: decisions.modes(name) for name in attributes},
        "fairness": _fairness(source, model, scope, counted, decisions),
        "local_law_144": law,
        "slices": _slices(decisions, own, limits),
        "events": events,
        "feedback": _feedback(decisions),
    }


def _attributes(configurations: Iterable[Plain], bundle: Bundle | None) -> dict[str, Plain]:
    """Every attribute of any configuration, with the settings of the last one."""
    settings = {name: of for body in configurations for name, of in body["attributes"].items()}
    if bundle is not None:
        fields = {"groups", "reference", "threshold", "abstain_below"}
        settings = {
            **{of.name: of.model_dump(include=fields) for of in bundle.manifest.attributes},
            **settings,
        }
    if not settings:
        raise ReportError(
            "the record says nothing of the model's attributes any more; give its bundle by --bundle"
        )
    return settings


def _check_names(law_attributes: LawAttributes, attributes: Sequence[str]) -> None:
    for option, name in asdict(law_attributes).items():
        if name is not None and name not in attributes:
            listed = ", ".join(attributes)
            raise ReportError(f"--{option}-attribute: the model has no attribute {name!r}; it has {listed}")


def _counted(source: RecordSource, model: str, period: ReportPeriod) -> Cells:
    """The hourly counts.

    Raises:
        ReportError: nothing was counted in this period; the message says when something was.
    """
    counted = cells.read(source.engine, model, Window(period.hours.start, period.hours.stop))
    if not counted.decisions:
        hours = source.counted_period(model)
        when = f"its decisions are of {hours}" if hours else "none has been counted yet"
        raise ReportError(f"no decision of {model} in {period}; {when}")
    return counted


def _fairness(
    source: RecordSource, model: str, scope: ReportScope, counted: Cells, decisions: Decisions
) -> Plain:
    """The same figures as the service's own page, for this period."""
    configurations = source.of_model(model)
    decided = [
        configurations[name] for name in decisions.configurations
    ]  # in the order of their first decision
    settings = _attributes([*configurations.values(), *decided], scope.bundle)
    attributes = [Attribute(name=name, mode="off", why="as recorded", **of) for name, of in settings.items()]
    manifest = _manifest(model, decided[-1] if decided else None, scope.bundle, attributes)
    normal = {} if scope.bundle is None else read(scope.bundle.reference, scope.bundle.evaluation)
    by: list[Grouped] = [*attributes, *watched_intersections(manifest.target, attributes)]
    aims = aims_of(manifest.target, [each.name for each in by], normal, scope.rules.gap)
    kept = [one for one in read_evidence(source.engine) if one.model == model]
    evidence = findings(kept, model, by, scope.rules, aims) if kept else []
    modes: Any = {each.name: decisions.last_mode(each.name) for each in attributes}
    window = Window(scope.period.hours.start, scope.period.hours.stop)
    state = {"state": "on", "spooled": 0}
    return summary(counted, Facts(manifest, modes, window, scope.limits, state, evidence, normal))


def _manifest(
    model: str, last: Plain | None, bundle: Bundle | None, attributes: Sequence[Attribute]
) -> RecordedManifest:
    """What the last configuration says; the bundle where none is on record any more."""
    if last is None and bundle is not None:
        of = bundle.manifest
        return RecordedManifest(model, of.version, attributes, of.labels, of.favourable, of.target)
    if last is None:
        return RecordedManifest(model, "unknown", attributes, [], [], None)
    target = Target.model_validate(last["target"]) if "target" in last else None
    return RecordedManifest(
        model, str(last["version"]), attributes, last["labels"], last["favourable"], target
    )


def _rows(decisions: Decisions, counted: Cells) -> Plain:
    return {
        "counted": counted.rows,
        "recorded": decisions.rows,
        "failed": decisions.failed,
        "erased": decisions.erased,
        "labelled": int(decisions.labelled().sum()),
        "not_held": dict(decisions.not_held),
    }


def _slices(decisions: Decisions, own: UserFeatures | None, limits: Mapping[str, float]) -> Plain:
    """Where errors, and unfavourable answers, are most frequent."""
    features = decisions.features()
    matched = None
    if own is not None:
        more, matched = own.of(decisions.ids)
        features += more
    rules = SliceRules(limits["gap"], int(limits["rows"]), SEED)
    labelled = np.flatnonzero(decisions.labelled())
    some = [Feature(each.name, each.values, each.codes[labelled]) for each in features]
    # Whether an answer is favourable is read off its score: a slice by it would say nothing.
    others = [each for each in features if each.name != SCORE]
    outcomes = {
        "errors": find_worst(_varied(some), decisions.errors()[labelled], rules, "error rate"),
        "unfavourable": find_worst(_varied(others), decisions.unfavourable(), rules, "unfavourable answers"),
    }
    return {
        "seed": SEED,
        "tolerance": rules.tolerance,
        "features": [each.name for each in _varied(features)],
        "in_own_table": matched,
        **{name: asdict(outcome) for name, outcome in outcomes.items()},
    }


def _varied(features: Sequence[Feature]) -> list[Feature]:
    """Features with more than one value."""
    return [each for each in features if len(each.codes) and (each.codes != each.codes[0]).any()]


def _feedback(decisions: Decisions) -> Plain:
    delays = np.frombuffer(decisions.delays_ms, np.int64) / 1000
    median, late = np.quantile(delays, [0.5, 0.9]).tolist() if len(delays) else (None, None)
    return {"labelled": len(delays), "of": decisions.rows, "delay_s": {"median": median, "ninetieth": late}}
