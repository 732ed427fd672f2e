"""Where things lie in this repository: tests may move without counting folders anew."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "bundles/hate-speech"
SALARIES = ROOT / "bundles/government-salary"
DEPLOY = ROOT / "deploy"
OLDER = ROOT / "tests/older"
