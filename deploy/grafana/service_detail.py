"""Versions and the record of decisions: panels of the dashboard of the service."""

from __future__ import annotations

from colours import BLUE, GREEN, GREY, ORANGE, PURPLE, VERMILLION
from parts import NUMBER, PER_SECOND, SHARE, About, Line, by_label, count, lines, listed, per_result, value
from series import ONE, RATE, increase_by, rate_by


def versions() -> object:
    """Every version that was loaded."""
    about = About(
        "Loaded versions",
        "The version that answers is live; others are loaded beside it or were served before. bundle is "
        "the SHA-256 of the manifest.",
        "compare with what you deployed; switch with evenhand's admin routes.",
    )
    expr = "max by (model, version, bundle, certified) (evenhand_model_info)"
    titles = {
        "model": "Model",
        "version": "Version",
        "certified": "Certified",
        "Value": "Live",
        "bundle": "Bundle",
    }
    return listed(about, expr, titles)


def reloads() -> object:
    """New bundles, accepted or refused."""
    about = About(
        "Reloads in this time range",
        "New bundles that took over, and ones that were refused while the old one went on answering.",
        "refused: the log names what does not hold; evenhand bundle verify says it too.",
        "EvenhandReloadRefused",
    )
    expr = increase_by("result", f"evenhand_reloads_total{ONE}", "$__range")
    return count(about, "reloads", expr, "{{result}}")


def starts() -> object:
    """When each replica started."""
    about = About(
        "Running since",
        "When each replica started.",
        "starts that you did not cause are crashes: read the end of the old process's log.",
        "EvenhandRestarting",
    )
    return value(
        about, [Line("since", "evenhand_start_time_seconds * 1000", "{{instance}}")], "dateTimeFromNow", 0
    )


def candidate() -> object:
    """The answers of a version in shadow against the live ones."""
    about = About(
        "Version in shadow: its answers against the live ones",
        "Rows per second of a version that is tried beside the live one: same label, other label, error, "
        "dropped because the engine had no time. No series: none is in shadow.",
        "errors forbid a promotion; other labels: see beside this whom they would move.",
    )
    colours = {"same": GREY, "other": BLUE, "error": VERMILLION, "dropped": ORANGE}
    expr = rate_by("version", 'evenhand_candidate_rows_total{model="$model", result="RESULT"}')
    return lines(about, per_result(expr, colours, "{{version}} "), PER_SECOND, 2)


def candidate_engine() -> object:
    """Engine time of a version in shadow."""
    about = About(
        "Engine time of the version in shadow",
        "Seconds of engine time per second that the version in shadow takes; it gets what the live one "
        "leaves.",
        "if live predictions became slower with it, end the trial: PUT /models/<name>/shadow with null.",
    )
    expr = rate_by("version", f"evenhand_candidate_inference_seconds_total{ONE}")
    return by_label(about, Line("seconds", expr, "{{version}}", PURPLE), NUMBER, 2)


def candidate_answers() -> object:
    """Favourable answers by group of a version in shadow, minus the live version's."""
    about = About(
        "Version in shadow: favourable answers by group, minus the live version's",
        "Over this time range, per attribute, group and source: share of favourable answers of the "
        "version in shadow minus the live one's on the same rows.",
        "promote only a version that does not widen the gap between groups.",
    )
    by = "version, attribute, group, source"
    rows = 'sum by ({}) (increase(evenhand_candidate_decisions_total{{model="$model"{}}}[$__range]))'
    gained, lost = (
        rows.format(by, f', live="{live}", candidate="{new}"') for live, new in (("0", "1"), ("1", "0"))
    )
    expr = f"({gained} - {lost}) / ({rows.format(by, '')} > 0)"
    titles = {
        "version": "Version",
        "attribute": "Attribute",
        "group": "Group",
        "source": "Source",
        "Value": "Difference",
    }
    made = listed(about, expr, titles)
    return made.unit(SHARE).decimals(1)


def records() -> object:
    """Records per second: written, spooled, lost."""
    about = About(
        "Records of decisions",
        "Records per second: written to the database, spooled to local disk while it was away, lost.",
        "a lost record is an incident: see its runbook page.",
        "EvenhandRecordLost",
    )
    colours = {"written": GREEN, "spooled": ORANGE, "lost": VERMILLION}
    expr = f'sum(rate(evenhand_records_total{{result="RESULT"}}{RATE}))'
    return lines(about, per_result(expr, colours), PER_SECOND, 2)


def spool() -> object:
    """Records that wait for the database."""
    about = About(
        "Spooled records",
        "Records on each replica's disk that wait for the database.",
        "it must fall to 0 within minutes of the database's return.",
        "EvenhandRecordSpooling",
    )
    return by_label(about, Line("rows", "evenhand_record_spool_rows", "{{instance}}", ORANGE), NUMBER, 0)
