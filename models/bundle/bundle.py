"""Load and verify a bundle: the folder that training writes and the service reads.

Invariant: the bytes in use are the bytes that were hashed; no file is read twice.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from evenhand.models.bundle.manifest import PREPROCESS, SCHEMA_VERSION, Manifest

MANIFEST = "manifest.json"
GRAPH = "model.onnx"
BASE_CONFIG = "base/config.json"
BASE_WEIGHTS = "base/model.safetensors"
DETECTOR = "adapter/detector.safetensors"
REFERENCE = "reference.json"
CARD = "MODEL_CARD.md"
DECISIONS = "evaluation/decisions.csv"
EVALUATION = "evaluation/evaluation.json"
SPLIT = "evaluation/split.csv"
"""The split of every row of the table that the bundle was fitted on, by its number from 0; no content."""
SWAPS = "preprocess/swaps.json"
"""Terms to swap in texts, where the bundle brings them."""
REQUIRED = (DETECTOR, REFERENCE, CARD)
"""Next to what the engine runs and to the preprocessing file."""


class BundleError(Exception):
    """A bundle that must not be served; the message is one sentence that says why."""


@dataclass(frozen=True)
class Bundle:
    """A verified bundle, in memory."""

    path: Path
    manifest: Manifest
    sha256: str
    """SHA-256 of ``manifest.json``, which lists the hash of every other file, so it identifies the bundle."""
    graph: bytes
    """The ONNX graph; empty where the torch engine runs the bundle."""
    preprocess: bytes
    """The file that says how an item becomes arrays."""
    reference: bytes
    parts: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """By file name what the torch engine rebuilds the model from; empty where there is an ONNX graph."""
    evaluation: bytes = b""
    """All figures as JSON; empty where the bundle has none."""
    swaps: bytes = b""
    """Terms of groups as JSON, for checks that swap them; empty where the bundle has none."""
    split: bytes = b""
    """:data:`SPLIT`; empty where the bundle has none."""


def adapter_file(attribute: str) -> str:
    """Where the weights of an attribute's adapter lie."""
    return f"adapter/{attribute}/adapter_model.safetensors"


def model_files(manifest: Manifest) -> tuple[str, ...]:
    """The files that the bundle's engine runs."""
    if manifest.graph.engine == "onnx":
        return (GRAPH,)
    adapters = (
        []
        if manifest.correction.method != "lora"
        else [
            adapter_file(attribute.name)
            for attribute in manifest.attributes
            # One that corrects nothing, or whose rows are never flagged, may have none.
            if (attribute.corrects and attribute.threshold < 1.0)
            or adapter_file(attribute.name) in manifest.files
        ]
    )
    return (BASE_CONFIG, BASE_WEIGHTS, DETECTOR, *adapters)


def hash_bytes(content: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def read_manifest(path: Path) -> tuple[Manifest, str]:
    """Read and check ``manifest.json`` alone.

    Returns:
        The manifest, and the hash that names the bundle.

    Raises:
        BundleError: it is missing, not JSON, of another schema version, or says something impossible.
    """
    file = path / MANIFEST
    try:
        content = _read(file)
        raw = json.loads(content)
        # It is shown as JSON and recorded: NaN, numbers beyond a double and lone surrogates can be neither.
        json.dumps(raw, allow_nan=False, ensure_ascii=False).encode()
    except OSError as error:
        raise BundleError(f"{path}: no readable {MANIFEST} ({error.strerror or error})") from error
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{file}: not JSON ({error})") from error
    version = raw.get("schema_version") if isinstance(raw, dict) else None
    if version != SCHEMA_VERSION:
        newer = isinstance(version, int) and version > SCHEMA_VERSION
        raise BundleError(
            f"{file}: schema version {version!r}, this Evenhand reads {SCHEMA_VERSION}; "
            + ("update Evenhand" if newer else "use the Evenhand release that wrote it, or fit again")
        )
    try:
        return Manifest.model_validate(raw), hash_bytes(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "manifest"
        said = "unknown to this Evenhand; update it if a newer one wrote the bundle"
        raise BundleError(
            f"{file}: {where}: {said if first['type'] == 'extra_forbidden' else first['msg']}"
        ) from error


def load(path: Path | str) -> Bundle:
    """Read a bundle and verify the hash of every file.

    Raises:
        BundleError: the manifest is invalid, or a file is missing, changed, outside the folder or not listed.
    """
    path = Path(path)
    manifest, digest = read_manifest(path)
    preprocess = PREPROCESS[manifest.input.kind]
    model = model_files(manifest)
    missing = [name for name in dict.fromkeys((*model, *REQUIRED, preprocess)) if name not in manifest.files]
    if missing:
        raise BundleError(f"{path / MANIFEST}: does not list {', '.join(missing)}")
    contents = {name: _read_verified(path, name, expected) for name, expected in manifest.files.items()}
    _refuse_unlisted(path, manifest)
    parts = {name: contents[name] for name in model} if GRAPH not in model else {}
    graph = b"" if parts else contents[GRAPH]
    more = (contents.get(name, b"") for name in (EVALUATION, SWAPS, SPLIT))
    return Bundle(path, manifest, digest, graph, contents[preprocess], contents[REFERENCE], parts, *more)


def _read_verified(root: Path, name: str, expected: str) -> bytes:
    """Read one file that must lie inside the folder and match its hash."""
    file = root / name
    try:
        if not file.resolve().is_relative_to(root.resolve()):
            raise BundleError(f"{file}: points outside the bundle's folder")
        content = _read(file)
    except OSError as error:
        raise BundleError(f"{file}: missing or unreadable ({error.strerror or error})") from error
    except RuntimeError as error:  # of a link that leads to itself
        raise BundleError(f"{file}: links that lead nowhere") from error
    if hash_bytes(content) != expected:
        raise BundleError(f"{file}: content does not match its hash in {MANIFEST}; copy the bundle again")
    return content


def _read(file: Path) -> bytes:
    """Read a plain file; reading a pipe could block for ever."""
    if file.exists() and not file.is_file():
        raise OSError(errno.EINVAL, "not a plain file")
    return file.read_bytes()


def _refuse_unlisted(root: Path, manifest: Manifest) -> None:
    """Refuse a folder that holds a file whose hash the manifest does not list."""
    listed = {*manifest.files, MANIFEST}
    for file in sorted(root.rglob("*")):
        name = file.relative_to(root).as_posix()
        if (file.is_symlink() or not file.is_dir()) and name not in listed:
            raise BundleError(f"{file}: not listed in {MANIFEST}; remove it")


def write_manifest(path: Path, manifest: Manifest) -> str:
    """Write ``manifest.json``, the last file of a new bundle.

    Returns:
        The hash that names the bundle.
    """
    content = (manifest.model_dump_json(indent=2) + "\n").encode()
    (path / MANIFEST).write_bytes(content)
    return hash_bytes(content)


def hash_files(path: Path) -> dict[str, str]:
    """Hash every file under ``path`` but the manifest, by name relative to it."""
    names = sorted(p.relative_to(path).as_posix() for p in path.rglob("*") if p.is_file())
    return {name: hash_bytes((path / name).read_bytes()) for name in names if name != MANIFEST}
