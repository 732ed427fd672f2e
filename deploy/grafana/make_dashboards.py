"""Write the dashboards that Grafana loads: ``python deploy/grafana/make_dashboards.py [FOLDER]``."""

from __future__ import annotations

import sys
from pathlib import Path

from detectors_board import make_detectors
from fairness_board import make_fairness
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from service_board import make_service

DASHBOARDS = Path(__file__).parent / "dashboards"
MAKERS = {"fairness.json": make_fairness, "detectors.json": make_detectors, "service.json": make_service}


def write(folder: Path) -> None:
    """Write every dashboard into a folder."""
    for name, make in MAKERS.items():
        (folder / name).write_text(JSONEncoder(sort_keys=True, indent=1).encode(make()) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]) if len(sys.argv) > 1 else DASHBOARDS)
