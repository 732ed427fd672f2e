"""Where things lie in this repository: tests may move without counting folders anew."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "bundles/hatexplain-toxicity"
DEPLOY = ROOT / "deploy"
OLDER = ROOT / "tests/older"
