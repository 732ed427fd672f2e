"""Checks of installed packages: no name clash, one ONNX Runtime, and the tested versions."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from evenhand.service.doctor.findings import Finding

ROOMS = ("evenhand",)
OWN = "evenhand"
RUNTIMES = ("onnxruntime", "onnxruntime-gpu")
OLDEST = (3, 11)
CONSTRAINTS = "constraints.txt"
PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
}
SHOWN = 5


def check_packages(provider: str) -> Iterator[Finding]:
    """Check the installed packages.

    Args:
        provider: Where the graph runs.
    """
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < OLDEST:
        yield Finding("python", "problem", f"Python {version} is too old", "Use Python 3.11 or newer")
    else:
        yield Finding("python", "ok", f"Python {version}")
    installed = _installed()
    yield from _owners()
    yield from _runtimes(installed, provider)
    yield _versions(installed, constraints())


def constraints() -> dict[str, str]:
    """Tested versions by name; empty if the file is not installed."""
    packaged = files("evenhand") / CONSTRAINTS
    beside = Path(str(files("evenhand"))).parents[1] / CONSTRAINTS
    text = packaged.read_text() if packaged.is_file() else beside.read_text() if beside.is_file() else ""
    pairs = (line.split("==", 1) for line in text.splitlines() if "==" in line and not line.startswith("#"))
    return {_plain(name): version.strip() for name, version in pairs}


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _installed() -> dict[str, str]:
    """Versions by name. If the path has a package twice, Python imports the first."""
    distributions = reversed(list(importlib.metadata.distributions()))
    return {_plain(one.metadata["Name"]): one.version for one in distributions if one.metadata["Name"]}


def _owners() -> Iterator[Finding]:
    """Check for another wheel with a package of our name, which would overwrite ours silently."""
    owners = importlib.metadata.packages_distributions()
    others = {room: sorted(set(owners.get(room, ())) - {OWN}) for room in ROOMS}
    strangers = [f"{', '.join(names)} ships {room}/" for room, names in others.items() if names]
    if strangers:
        do = "Install Evenhand into an environment of its own"
        yield Finding("packages", "problem", f"{'; '.join(strangers)}, as Evenhand does", do)
    else:
        yield Finding("packages", "ok", f"{', '.join(ROOMS)} is Evenhand's alone")


def _runtimes(installed: dict[str, str], provider: str) -> Iterator[Finding]:
    packages = [name for name in RUNTIMES if name in installed]
    if len(packages) > 1:
        do = "pip uninstall both, then install one: evenhand[cpu] or evenhand[gpu]"
        yield Finding("runtime", "problem", f"{' and '.join(packages)} own the same module", do)
        return
    try:
        import onnxruntime
    except ImportError as error:
        said = f"ONNX Runtime cannot be imported ({type(error).__name__})"
        yield Finding("runtime", "problem", said, "Install evenhand[cpu] or evenhand[gpu]")
        return
    execution_provider, there = PROVIDERS[provider], onnxruntime.get_available_providers()
    if execution_provider not in there:
        said = f"EVENHAND_PROVIDER={provider}, but ONNX Runtime has {', '.join(there)}"
        yield Finding(
            "runtime", "problem", said, "Install evenhand[gpu] in place of [cpu], or set the provider to cpu"
        )
    else:
        yield Finding("runtime", "ok", f"ONNX Runtime {onnxruntime.__version__} with {execution_provider}")


def _versions(installed: dict[str, str], tested: dict[str, str]) -> Finding:
    if not tested:
        return Finding("versions", "ok", f"not compared: no {CONSTRAINTS} came with this installation")
    other = [
        f"{name} {installed[name]} ({version})"
        for name, version in sorted(tested.items())
        if name in installed and installed[name].split("+")[0] != version
    ]
    if not other:
        return Finding("versions", "ok", "as the tests were run with")
    more = f" and {len(other) - SHOWN} more" if len(other) > SHOWN else ""
    said = f"other than tested (in brackets): {', '.join(other[:SHOWN])}{more}"
    return Finding("versions", "warning", said, f"pip install -c {CONSTRAINTS} evenhand")
