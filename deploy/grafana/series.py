"""Queries that panels share: the selection at the top of the page, limits, and rates."""

from __future__ import annotations

from collections.abc import Callable

ONE = '{model="$model"}'
RATE = "[$__rate_interval]"
MODEL = 'model="$model", attribute=~"$attribute"'
SCOPE = f'{MODEL}, source="$source"'
ALERTS = 'alertname=~"Fairness.*", model="$model", attribute=~"$attribute|"'
"""Alerts about groups, those on a whole model too."""
LABELLED = ', group!="unknown"'
ENOUGH = 'scalar(max(evenhand_limit{limit="rows"}))'
"""Rows that a verdict or an alert needs."""
WINDOW = "Over the window chosen above, which ends at each point."


def rate_by(label: str, name: str) -> str:
    """A counter's rate per second, by one label."""
    return f"sum by ({label}) (rate({name}{RATE}))"


def increase_by(label: str, name: str, window: str) -> str:
    """A counter's increase in a window, by one label."""
    return f"sum by ({label}) (increase({name}[{window}]))"


def recorded(name: str, more: str = "") -> str:
    """A recorded series in the chosen window, of what is chosen."""
    return f"evenhand:{name}:${{window}}{{{SCOPE}{more}}}"


def of_target(name: str, more: str = "") -> str:
    """A recorded series about the target: of declared groups, whatever source is chosen."""
    return f'evenhand:{name}:${{window}}{{{MODEL}, source="declared"{more}}}'


def whole(name: str, more: str = "") -> str:
    """A recorded series that has no source."""
    return f"evenhand:{name}:${{window}}{{{MODEL}{more}}}"


def limit(name: str) -> str:
    """What alerts compare with."""
    return f'max(evenhand_limit{{limit="{name}"}})'


def changed(kind: str) -> str:
    """Decisions that the correction moved, ``to favourable`` or ``to unfavourable``, whatever their group."""
    base, final = ("0", "1") if kind == "to favourable" else ("1", "0")
    return recorded("decisions", f', base="{base}", final="{final}"')


def farther(name: str, expected: str, series: Callable[[str], str] = recorded) -> str:
    """How far a rate is from what was expected at least: the distance of the nearer limit of its interval."""
    above, below = f"{series(f'{name}_lower')} - {expected}", f"{expected} - {series(f'{name}_upper')}"
    return f'clamp_min({above} or label_replace({below}, "side", "below", "", ""), 0)'
