"""Image bombs are refused one by one in little memory and time; the other images still get their answers."""

import base64
import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bombs import BOMBS, HARMLESS

from evenhand.models.bundle.encoders.image import ImageEncoder
from evenhand.service.errors import InvalidInput
from evenhand.service.inference.preprocess import examples, request_modes

CPU_S = 40
"""Of all images together; they take one. Whoever takes more is ended by the system."""
MORE_MB = 64
"""Beyond what the process holds anyway: none of them is unpacked."""
ENCODER = '{"size": 32}'


def encode(folder: str) -> None:
    """In a process of its own: as a request would, all files of a folder as the items of one."""
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    items = [
        {"image": base64.b64encode(path.read_bytes()).decode()} for path in sorted(Path(folder).iterdir())
    ]
    encoder, modes = ImageEncoder(ENCODER.encode()), request_modes(("apply",), None)
    examples(encoder, [encoder.examples()[0]], modes, traced=False, deadline_s=np.inf)
    before_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    encoded = examples(encoder, items, modes, traced=False, deadline_s=np.inf)
    more_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 - before_mb
    said = [[row.status, str(row)] if isinstance(row, InvalidInput) else None for row in encoded]
    json.dump({"said": said, "more_mb": more_mb}, sys.stdout)


def test_each_is_refused_alone_in_little_memory_and_time(tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("how much memory a process took is told in other units elsewhere")
    names = sorted({**BOMBS, **HARMLESS})
    for number, name in enumerate(names):
        (tmp_path / f"{number:02d}").write_bytes({**BOMBS, **HARMLESS}[name]())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ended = subprocess.run(
        [sys.executable, __file__, tmp_path], capture_output=True, text=True, env=environment
    )
    assert ended.returncode == 0, ended.stderr[-2000:]
    reply = json.loads(ended.stdout)
    for name, said in zip(names, reply["said"], strict=True):
        assert (said is None) == (name in HARMLESS), (name, said)
        assert said is None or (said[0] == 422 and said[1].startswith("image ")), (name, said)
    assert reply["more_mb"] < MORE_MB


if __name__ == "__main__":
    encode(sys.argv[1])
