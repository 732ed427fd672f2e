"""The series that panels about groups share: what is chosen at the top of the page, and what it is compared with."""

from __future__ import annotations

MODEL = 'model="$model", attribute=~"$attribute"'
SCOPE = f'{MODEL}, source="$source"'
WINDOW = "Over the window chosen above, which ends at each point."


def recorded(name: str, more: str = "") -> str:
    """A recorded series in the chosen window, of what is chosen."""
    return f"evenhand:{name}:${{window}}{{{SCOPE}{more}}}"


def limit(name: str) -> str:
    """What alerts compare with."""
    return f'max(evenhand_limit{{limit="{name}"}})'


def changed(kind: str) -> str:
    """Decisions of a kind of change: which bits came of which."""
    pairs = {
        "to favourable": ('base="0", final="1"',),
        "to unfavourable": ('base="1", final="0"',),
        "mended": ('base="0", final="1", label="1"', 'base="1", final="0", label="0"'),
        "broken": ('base="0", final="1", label="0"', 'base="1", final="0", label="1"'),
    }[kind]
    series = "outcomes" if len(pairs) > 1 else "decisions"
    return " or ".join(recorded(series, f', group!="unknown", {pair}') for pair in pairs)
