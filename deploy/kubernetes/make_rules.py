"""Write ``base/rules.yaml`` from ``deploy/prometheus/rules``: ``python deploy/kubernetes/make_rules.py``.

One PrometheusRule per file, so that each stays well below the 256 KiB that ``kubectl apply`` can annotate.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
RULES = HERE.parent / "prometheus/rules"
HEAD = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: evenhand-{name}
spec:
"""


def text() -> str:
    """All rule files as objects for Prometheus Operator, their own words and comments kept."""
    objects = [
        HEAD.format(name=file.stem.replace("_", "-"))
        + "".join(
            f"  {line}" if line.strip() else line for line in file.read_text().splitlines(keepends=True)
        )
        for file in sorted(RULES.glob("*.yml"))
    ]
    return "# Written by ../make_rules.py; do not edit.\n" + "---\n".join(objects)


if __name__ == "__main__":
    (HERE / "base/rules.yaml").write_text(text())
