"""``evenhand report`` runs where the service runs: with the extra `report`, and without torch."""

import subprocess
import sys

from blocked import NO_TRAINING
from places import ROOT

IMPORT_ALL = f"""{NO_TRAINING}
import importlib
from pathlib import Path

root = Path({str(ROOT / "src/evenhand")!r})
for folder in ("reports/period", "reports/html"):
    for file in sorted((root / folder).glob("*.py")):
        importlib.import_module(".".join(("evenhand", *file.relative_to(root).with_suffix("").parts)))
importlib.import_module("evenhand.cli.report")
print(*sorted(name for name in sys.modules if name.startswith("evenhand.")))
"""


def test_a_report_needs_no_part_of_training() -> None:
    done = subprocess.run([sys.executable, "-c", IMPORT_ALL], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"evenhand.reports.period.build", "evenhand.reports.html.plots", "evenhand.cli.report"} <= set(
        done.stdout.split()
    )


def test_what_is_blocked_is_blocked() -> None:
    program = f"{NO_TRAINING}\nimport torch"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "No module named 'torch'" in done.stderr
