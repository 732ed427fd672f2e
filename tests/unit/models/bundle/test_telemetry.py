"""ONNX Runtime reports nothing about its use."""

import os
import subprocess
import sys
from pathlib import Path

from places import ROOT

LOAD = (
    "import evenhand.models.bundle.runtime_onnx, onnxruntime; "
    "onnxruntime.InferenceSession('bundles/hate-speech/model.onnx')"
)


def left_behind(home: Path, **environment: str) -> list[Path]:
    """What a process that loads a graph leaves in its home: the reporting keeps an id of the device there."""
    ours = {
        "HOME": str(home),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    subprocess.run([sys.executable, "-c", LOAD], cwd=ROOT, env=ours | environment, check=True, timeout=600)
    return [path for path in home.rglob("*") if path.is_file()]


def test_a_process_that_loads_a_graph_leaves_no_id(tmp_path: Path) -> None:
    assert left_behind(tmp_path) == []
