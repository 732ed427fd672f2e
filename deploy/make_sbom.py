"""Write the software bill of materials: ``python deploy/make_sbom.py <environment's python> dist/sbom.json``.

CycloneDX's own tool makes it. This file checks that it lists every package of the environment and no other,
each with a version, and names no place of the machine where it was made.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
NAME = "evenhand"
LISTED = (
    "import importlib.metadata as m, json; "
    "print(json.dumps([(d.name, d.version) for d in m.distributions()]))"
)
MUST = ("fastapi", "onnxruntime")
"""These must state a licence, or they may not be shipped; some others state none in their metadata."""


class WrongBillError(ValueError):
    """The bill is wrong; the message says what is missing or too much."""


def make(python: Path, out: Path) -> list[str]:
    """Write the bill.

    Args:
        python: The interpreter of the environment that it is of.
        out: Where it goes.

    Returns:
        Packages that say no licence: somebody has to look.

    Raises:
        WrongBillError: it does not say what is there.
        subprocess.CalledProcessError: CycloneDX's tool failed, or what it made is no CycloneDX.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    tool = [sys.executable, "-m", "cyclonedx_py", "environment", "--pyproject", str(ROOT / "pyproject.toml")]
    tool += ["--output-reproducible", "--validate", "--of", "JSON", "-o", str(out), str(python)]
    subprocess.run(tool, check=True)  # noqa: S603 - our own words, and the operator's paths
    command = [str(python), "-I", "-c", LISTED]
    there = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603
    return check(json.loads(out.read_text()), {_plain(name): version for name, version in json.loads(there)})


def check(bill: dict[str, Any], installed: dict[str, str]) -> list[str]:
    """Compare a bill with what is installed.

    Raises:
        WrongBillError: it says something else.
    """
    listed = {_plain(one["name"]): one for one in (*bill["components"], bill["metadata"]["component"])}
    versions = {name: one.get("version", "") for name, one in listed.items()}
    wrong = {*versions.items()} ^ {*installed.items()}
    if wrong:
        raise WrongBillError(
            f"bill and environment differ in {', '.join(sorted({name for name, _ in wrong}))}"
        )
    if re.search(r"file:|/(?:home|root|tmp)/", json.dumps(bill)):
        raise WrongBillError("the bill names a place of this machine; install from an index, or from a wheel")
    silent = sorted(name for name, one in listed.items() if not one.get("licenses"))
    for name in MUST:
        if name not in listed or name in silent:
            raise WrongBillError(f"the bill does not say under which licence {name} is")
    return silent


def _plain(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def main() -> None:
    """Write the bill, and print the packages that a person must check."""
    try:
        silent = make(Path(sys.argv[1]), Path(sys.argv[2]))
    except (WrongBillError, subprocess.CalledProcessError) as error:
        sys.exit(f"error: {error}")
    sys.stderr.write(f"{sys.argv[2]}; no licence in the metadata of: {', '.join(silent) or 'none'}\n")


if __name__ == "__main__":
    main()
