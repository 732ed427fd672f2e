"""``evenhand report`` in order: record, decisions, figures, tables, slices, events. Read it first.

The result is plain JSON with stable keys (:data:`FORMAT` counts their versions):

- ``format``; ``made``: ``utc``, ``evenhand``; ``model``; ``period``: ``from``, ``to``, ``words``.
- ``rows``: ``recorded`` (answered), ``failed``, ``erased``, ``counted`` (in the hourly counts), ``labelled``,
  ``not_held`` (per attribute, rows whose declared group is not kept any more); ``groups_readable``: whether the
  record's key was at hand.
- ``configurations``: what decided, each ``sha256``, ``rows``, ``version``, ``bundle``, ``labels``, ``favourable``,
  ``attributes``.
- ``record``: ``state`` of its chain (``holds``, ``does not hold``), its ``sentence``, and the last ``checkpoint``.
- ``modes``: per attribute, rows by the mode that answered them.
- ``fairness``: what :func:`evenhand.service.monitoring.summary.summary` gives.
- ``local_law_144``: what :func:`evenhand.reports.selected.tables` gives.
- ``slices``: per outcome what :class:`evenhand.reports.slices.Found` holds, and the ``features`` that were looked at.
- ``events``: what :func:`evenhand.reports.happened.happened` gives; ``feedback``: ``labelled``, ``delay_s`` (median, ninetieth).

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
from evenhand.models.bundle.bundle import Bundle
from evenhand.models.bundle.manifest import Attribute
from evenhand.models.bundle.reference import read
from evenhand.reports import decisions as recorded
from evenhand.reports import own_features, selected
from evenhand.reports.decisions import Decisions
from evenhand.reports.happened import happened
from evenhand.reports.opened import Opened, model_of, span
from evenhand.reports.period import Period, ReportError
from evenhand.reports.selected import Named
from evenhand.reports.slices import Feature, Rules, find
from evenhand.service.audit.events import event
from evenhand.service.monitoring import cells
from evenhand.service.monitoring.cells import Cells, Window
from evenhand.service.monitoring.sequential.evaluator import read_evidence
from evenhand.service.monitoring.sequential.evidence import Rules as EvidenceRules
from evenhand.service.monitoring.sequential.verdicts import findings
from evenhand.service.monitoring.summary import LIMITS, Facts, summary

FORMAT = 1
SEED = 0
Plain = dict[str, Any]


@dataclass(frozen=True)
class Recorded:
    """What the record keeps of a manifest."""

    name: str
    version: str
    attributes: Sequence[Attribute]


@dataclass(frozen=True)
class Asked:
    """What to report on."""

    model: str | None
    period: Period
    named: Named
    features: Path | None
    rules: EvidenceRules
    """What is tolerated, and how many rows a verdict needs; as the service has it."""
    bundle: Bundle | None
    """The model's, if given: says what was usual in validation, and what its attributes are where the record does not
    any more."""

    @property
    def limits(self) -> dict[str, float]:
        """What verdicts need."""
        return {**LIMITS, "gap": self.rules.gap, "rows": float(self.rules.rows)}


def contents(record: Opened, asked: Asked) -> Plain:
    """Gather everything.

    Args:
        record: The record; that declared groups were read is noted in it first.
        asked: What to report on.

    Returns:
        What the module's docstring says.

    Raises:
        ReportError: nothing can be said.
    """
    model, period = model_of(record, asked.model), asked.period
    limits = asked.limits
    own = own_features.read(asked.features) if asked.features else None
    if asked.bundle is not None and asked.bundle.manifest.name != model:
        raise ReportError(f"--bundle is of {asked.bundle.manifest.name}, and the report of {model}")
    configurations = record.of_model(model)
    attributes = list(_attributes(configurations.values(), asked.bundle))
    _check_names(asked.named, attributes)
    counted = _counted(record, model, period)
    if record.keys:
        record.note(event("access", {"what": "declared groups", "why": "report", "model": model, **_told(period)}))
    say(f"{model}, {period}: reading decisions")
    with record.engine.connect() as connection:
        wanted = recorded.Wanted(model, period, attributes, record.keys, own is not None)
        found = recorded.read(connection, wanted)
        law = selected.tables(connection, found, (model, period), asked.named, int(limits["rows"]))
        events = happened(connection, model, period)
    return {
        "format": FORMAT,
        "made": {
            "utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "evenhand": importlib.metadata.version("evenhand"),
        },
        "model": model,
        "period": {**_told(period), "words": str(period)},
        "rows": _rows(found, counted),
        "groups_readable": record.keys is not None,
        "configurations": [
            {"sha256": name, "rows": rows, **configurations[name]} for name, rows in found.configurations.most_common()
        ],
        "modes": {name: found.modes(name) for name in attributes},
        "fairness": _fairness(record, (model, asked), counted, found),
        "local_law_144": law,
        "slices": _slices(found, own, limits),
        "events": events,
        "feedback": _feedback(found),
    }


def _attributes(configurations: Iterable[Plain], bundle: Bundle | None) -> dict[str, Plain]:
    """Every attribute that any of them has; the last one's settings."""
    found = {name: told for body in configurations for name, told in body["attributes"].items()}
    if bundle is not None:
        wanted = {"groups", "reference", "threshold", "abstain_below"}
        found = {**{told.name: told.model_dump(include=wanted) for told in bundle.manifest.attributes}, **found}
    if not found:
        raise ReportError("the record says nothing of the model's attributes any more; give its bundle by --bundle")
    return found


def _check_names(named: Named, attributes: Sequence[str]) -> None:
    for option, name in asdict(named).items():
        if name is not None and name not in attributes:
            listed = ", ".join(attributes)
            raise ReportError(f"--{option}-attribute: the model has no attribute {name!r}; it has {listed}")


def _counted(record: Opened, model: str, period: Period) -> Cells:
    """What was counted; a period in which nothing was is refused, and told when something was."""
    found = cells.read(record.engine, model, Window(period.hours.start, period.hours.stop))
    if not found.decisions:
        with record.engine.connect() as connection:
            counted = span(connection, model)
        when = f"its decisions are of {counted}" if counted else "none has been counted yet"
        raise ReportError(f"no decision of {model} in {period}; {when}")
    return found


def _told(period: Period) -> dict[str, str]:
    return {name: f"{moment:%Y-%m-%dT%H:%M:%SZ}" for name, moment in (("from", period.start), ("to", period.end))}


def _fairness(record: Opened, of: tuple[str, Asked], counted: Cells, found: Decisions) -> Plain:
    """The same figures as the service's own page, for this period."""
    model, asked = of
    known = record.of_model(model)
    decided = [known[name] for name in found.configurations]  # in the order of their first decision
    settings = _attributes([*known.values(), *decided], asked.bundle)
    attributes = [Attribute(name=name, mode="off", why="as recorded", **told) for name, told in settings.items()]
    told = Recorded(model, str(decided[-1]["version"]) if decided else "unknown", attributes)
    kept = [one for one in read_evidence(record.engine) if one.model == model]
    said = findings(kept, model, attributes, asked.rules) if kept else []
    modes: Any = {each.name: found.last_mode(each.name) for each in attributes}
    window = Window(asked.period.hours.start, asked.period.hours.stop)
    record_of = {"state": "on", "spooled": 0}
    return summary(counted, Facts(told, modes, window, asked.limits, record_of, said, _usual(asked.bundle)))


def _usual(bundle: Bundle | None) -> dict[str, float]:
    """Worst-group accuracy in validation, of the attributes of which a bundle says it."""
    if bundle is None:
        return {}
    found = {name: said.worst_group_accuracy for name, said in read(bundle.reference, bundle.evaluation).items()}
    return {name: value for name, value in found.items() if value is not None}


def _rows(found: Decisions, counted: Cells) -> Plain:
    return {
        "counted": counted.rows,
        "recorded": found.rows,
        "failed": found.failed,
        "erased": found.erased,
        "labelled": int(found.labelled().sum()),
        "not_held": dict(found.not_held),
    }


def _slices(found: Decisions, own: own_features.OwnFeatures | None, limits: Mapping[str, float]) -> Plain:
    """Where errors, and unfavourable answers, are most frequent."""
    features = found.features()
    matched = None
    if own is not None:
        more, matched = own.of(found.ids)
        features += more
    rules = Rules(limits["gap"], int(limits["rows"]), SEED)
    labelled = np.flatnonzero(found.labelled())
    some = [Feature(each.name, each.values, each.codes[labelled]) for each in features]
    # Whether an answer is favourable is read off its score: a slice by it would say nothing.
    others = [each for each in features if each.name != recorded.SCORE]
    outcomes = {
        "errors": find(_varied(some), found.errors()[labelled], rules, "error rate"),
        "unfavourable": find(_varied(others), found.unfavourable(), rules, "unfavourable answers"),
    }
    return {
        "seed": SEED,
        "tolerance": rules.tolerance,
        "features": [each.name for each in _varied(features)],
        "in_own_table": matched,
        **{name: asdict(outcome) for name, outcome in outcomes.items()},
    }


def _varied(features: Sequence[Feature]) -> list[Feature]:
    """Those that tell rows apart."""
    return [each for each in features if len(each.codes) and (each.codes != each.codes[0]).any()]


def _feedback(found: Decisions) -> Plain:
    delays = np.frombuffer(found.delays_ms, np.int64) / 1000
    median, late = np.quantile(delays, [0.5, 0.9]).tolist() if len(delays) else (None, None)
    return {"labelled": len(delays), "of": found.rows, "delay_s": {"median": median, "ninetieth": late}}
