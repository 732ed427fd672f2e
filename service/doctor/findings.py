"""Findings of the checks: one line each, with what to do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

State = Literal["ok", "warning", "problem"]
EXIT: dict[State, int] = {"ok": 0, "warning": 1, "problem": 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    check: str
    """Its subject: ``settings``, ``bundle``, ``access``, ``state``, ``key``, ``database``, ``spool``,
    ``clock`` and others."""
    state: State
    said: str
    """The observation."""
    do: str = ""
    """What to do; empty if there is nothing to do."""

    def line(self) -> str:
        """As one line for a terminal."""
        return f"{self.state:8} {self.check:10} {self.said}" + (f". {self.do}" if self.do else "")

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def worst(findings: list[Finding]) -> State:
    """The worst state of all findings."""
    return max((finding.state for finding in findings), key=EXIT.__getitem__, default="ok")


def text(findings: list[Finding], settings: Sequence[dict[str, str]], as_json: bool) -> str:
    """All findings and settings, as text or JSON."""
    state = worst(findings)
    if as_json:
        facts = [finding.facts() for finding in findings]
        return json.dumps({"state": state, "findings": facts, "settings": list(settings)}, indent=2)
    shown = [f"         {one['name']} = {one['value']} ({one['source']})" for one in settings if _is_set(one)]
    left = [f"{one['name']} {one['value'] or '-'}" for one in settings if not _is_set(one)]
    if left:
        shown.append(f"         defaults: {', '.join(left)}")
    lines = [finding.line() for finding in findings]
    counts = {name: sum(finding.state == name for finding in findings) for name in EXIT}
    said = ", ".join(f"{count} {name}" for name, count in counts.items())
    return "\n".join([*lines[:1], *shown, *lines[1:], said])


def _is_set(setting: dict[str, str]) -> bool:
    return setting["source"] != "default"
