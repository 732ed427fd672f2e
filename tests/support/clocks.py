"""A clock for another process that a test can turn while it runs."""

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).with_name("wall_clock.c")


class Clock:
    """The wall clock of the processes that are started with its environment.

    ``libfaketime`` is none: it lets Python's sleeps fail where steady clocks are to stay as they are.
    """

    def __init__(self, folder: Path) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("a clock that can be turned needs a C compiler")
        library, self._file = folder / "wall_clock.so", folder / "ahead_s"
        subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, SOURCE], check=True)
        self._file.write_bytes(bytes(8))
        self.environment = {"LD_PRELOAD": str(library), "TURNED_CLOCK": str(self._file)}

    def turn(self, hours: float) -> None:
        """Let it be so far ahead of the real one, or behind it, from now on."""
        with self._file.open("r+b") as file:  # in place: it is mapped
            file.write(struct.pack("=q", round(hours * 3600)))
