"""``evenhand audit`` as an operator runs it: a process, its exit code, and what it prints."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

NO_STATE = str(Path(tempfile.gettempdir()) / "evenhand-no-state")
RUN = (sys.executable, "-c", "from evenhand.cli.main import main; main()", "audit")


def audit(*arguments: str | Path, code: int = 0, **variables: str) -> Sequence[str]:
    """Run a command; gives what it printed on both streams."""
    command = [*RUN, *map(str, arguments)]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=600,
        env={**os.environ, "EVENHAND_STATE": NO_STATE, **variables},
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return (done.stdout + done.stderr).splitlines()
