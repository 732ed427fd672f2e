"""Files that the side by side needs: the base model cut out of a bundle, and a virtual environment per peer.

    python -m bench.prepare --only fastapi,litserve

Everything lies in ``bench/.work``, which git ignores. What is there already is kept; delete the folder to
begin anew.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import venv
from pathlib import Path

import onnx

from bench.widen import widen
from evenhand.models.bundle.bundle import GRAPH, read_manifest
from evenhand.models.onnx.join import base_only

HERE = Path(__file__).parent
BUNDLE = HERE.parent / "bundles/hate-speech"
WORK = HERE / ".work"
MODEL = WORK / "model"
PEERS = HERE / "peers"
NAMES = tuple(sorted(file.parent.name for file in PEERS.glob("*/requirements.txt")))


class NotInstalled(RuntimeError):
    """A peer's packages cannot be installed; the message is pip's."""


def base_model(bundle: Path = BUNDLE) -> Path:
    """Cut the base model out of a bundle.

    Returns:
        The folder with ``base.onnx``, as torch exports it, ``ours.onnx``, as we do, tokenizer and labels.
    """
    manifest, digest = read_manifest(bundle)
    written = MODEL / "bundle"
    if not (written.is_file() and written.read_text() == digest):
        MODEL.mkdir(parents=True, exist_ok=True)
        graph = onnx.load(bundle / GRAPH)
        onnx.save(base_only(graph), MODEL / "ours.onnx")
        widen(graph)
        onnx.save(base_only(graph), MODEL / "base.onnx")
        (MODEL / "tokenizer.json").write_bytes((bundle / "preprocess/tokenizer.json").read_bytes())
        (MODEL / "labels.json").write_text(json.dumps(manifest.labels))
        written.write_text(digest)
    return MODEL


def environment(name: str) -> Path:
    """Install a peer into a virtual environment of its own.

    Returns:
        The environment's folder of programs.

    Raises:
        NotInstalled: pip refuses.
    """
    folder, requirements = WORK / "venvs" / name, PEERS / name / "requirements.txt"
    digest, done = hashlib.sha256(requirements.read_bytes()).hexdigest(), folder / "requirements.sha256"
    if not (done.is_file() and done.read_text() == digest):
        print(f"installing {name}", flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        ended = subprocess.run([*pip, "-r", str(requirements)], capture_output=True, text=True)
        if ended.returncode:
            errors = [line for line in ended.stderr.splitlines() if line.startswith("ERROR")]
            raise NotInstalled((errors or ended.stderr.splitlines() or ["pip failed"])[-1][:200])
        done.write_text(digest)
    return folder / "bin"


def main() -> None:
    """Prepare everything, or the peers that are named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default=",".join(NAMES), help="names of peers, separated by commas")
    names = parser.parse_args().only.split(",")
    if unknown := set(names) - set(NAMES):
        sys.exit(f"error: no peer {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    print(f"base model in {base_model()}", flush=True)
    for name in names:
        try:
            environment(name)
            print(f"{name}: ready", flush=True)
        except NotInstalled as error:
            print(f"{name}: not installed: {error}", flush=True)


if __name__ == "__main__":
    main()
