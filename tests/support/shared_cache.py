"""One folder per test session for what is dear to make, shared by all of its processes.

Each entry is a file whose name is a hash of all that goes into it, this repository's code included: whoever
needs it first makes it, and others wait and read.
"""

import fcntl
import functools
import hashlib
import importlib.metadata
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from places import ROOT

FOLDER = "TESTS_CACHE"
"""Environment variable with the folder; conftest.py sets it for the session and the processes it starts."""


@functools.cache
def folder() -> Path:
    """The session's folder; one of this process alone where no session has set it (fuzzing, keep.py)."""
    place = Path(os.environ.get(FOLDER) or tempfile.mkdtemp(prefix="evenhand-test-cache-"))
    place.mkdir(parents=True, exist_ok=True)
    return place


@functools.cache
def code() -> str:
    """Hash of the code that models and correctors are made of, and of the versions of what exports them."""
    digest = hashlib.sha256()
    for file in sorted([*(ROOT / "models").rglob("*.py"), *(ROOT / "training/correctors").rglob("*.py")]):
        digest.update(file.read_bytes())
    digest.update(Path(__file__).with_name("tiny_model.py").read_bytes())
    for package in ("torch", "transformers", "peft", "onnx", "onnxscript"):
        digest.update(importlib.metadata.version(package).encode())
    return digest.hexdigest()


def cached(key: str, make: Callable[[], bytes]) -> bytes:
    """What ``make`` gives, made once per session.

    Args:
        key: All that decides the content, besides the code.
        make: Makes it; if it raises, nothing is kept.
    """
    name = hashlib.sha256(f"{code()}\n{key}".encode()).hexdigest()
    file = folder() / name
    if not file.exists():
        with (folder() / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not file.exists():
                draft = folder() / f"{name}.draft"
                draft.write_bytes(make())
                draft.rename(file)
    return file.read_bytes()
