"""Blocks of code in Markdown, and running them as a reader would."""

import os
import re
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import NamedTuple

from places import ROOT
from waiting import until

BLOCK = re.compile(r"(?:<!-- (?P<mark>[^>]*?) -->\n)?```(?P<language>\w+)\n(?P<code>.*?)```", re.DOTALL)
NOT_RUN, SERVES = "not run: ", "serves: "
STRICT = (
    'set -euo pipefail; curl() { command curl --fail-with-body --silent --show-error --max-time 60 "$@"; }\n'
)


class Block(NamedTuple):
    """One block of a page."""

    page: str
    line: int
    language: str
    code: str
    mark: str

    @property
    def runs(self) -> bool:
        return not self.mark.startswith(NOT_RUN)

    @property
    def serves(self) -> bool:
        return self.mark.startswith(SERVES)

    @property
    def name(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> list[Block]:
    """All shell and Python blocks of a page, in order."""
    text = (ROOT / page).read_text()
    fenced = [
        Block(page, text.count("\n", 0, one.start("code")), one["language"], one["code"], one["mark"] or "")
        for one in BLOCK.finditer(text)
    ]
    return [block for block in fenced if block.language in ("sh", "python")]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Reader:
    """Somebody who follows a page in a folder of their own.

    Args:
        folder: Where commands run.
        **replaced: What a reader puts in place of words in the text.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self.folder, self.port = folder, free_port()
        self.replaced = {"localhost:8000": f"127.0.0.1:{self.port}"}
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        packages = os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")])
        own = {"PATH": path, "PYTHONPATH": packages, "EVENHAND_PORT": str(self.port)}
        others = {name: value for name, value in os.environ.items() if not name.startswith("EVENHAND_")}
        self._environment = {**others, **own, **variables}
        self._service: subprocess.Popen[str] | None = None

    def run(self, block: Block) -> str:
        """Run a block to its end; gives what it printed."""
        code = block.code
        for word, other in self.replaced.items():
            code = code.replace(word, other)
        command = (
            [sys.executable, "-c", code] if block.language == "python" else ["bash", "-c", STRICT + code]
        )
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment, capture_output=True, text=True, timeout=1200
        )
        assert done.returncode == 0, (
            f"{block.name} ends with {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
        return done.stdout

    def serve(self, command: str) -> None:
        """Run a command that serves, until :meth:`stop`."""
        self._service = subprocess.Popen(
            ["bash", "-c", "exec " + command.strip()],
            cwd=self.folder,
            env=self._environment,
            stderr=subprocess.DEVNULL,
        )
        until(lambda: self._ready() or self._service is None or self._service.poll() is not None)
        assert self._service.poll() is None, f"{command} ended"

    def stop(self) -> None:
        """End what serves."""
        if self._service is not None:
            self._service.terminate()
            self._service.wait(600)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=600) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False
