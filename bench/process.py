"""A server as a process tree: start it, measure it, stop it, and count the processes it leaves."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.loops import raise_file_limit

START_S = 120.0
STOP_S = 30.0
DROPPED = ("OMP_", "GOMP_", "MKL_")
"""Variables of the caller's environment that would change a server's threads."""


class DidNotStart(RuntimeError):
    """The server ended, or was not ready in time; the message is the end of its log."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """How a process tree ended after SIGTERM."""

    exit_code: int | None
    """``None``: it had to be killed."""
    seconds: float
    orphans: int
    """Processes of its tree that were still running two seconds after it ended."""


class Tree:
    """A running server with all its processes.

    Args:
        command: What to run.
        log: File for what it says.
        cwd: Folder to run it in.
        environment: Variables besides ours.
    """

    def __init__(self, command: Sequence[str], log: Path, cwd: Path, environment: dict[str, str]) -> None:
        raise_file_limit()
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log = log
        kept = {name: value for name, value in os.environ.items() if not name.startswith(DROPPED)}
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command, cwd=cwd, env={**kept, **environment}, stdout=out, stderr=out, start_new_session=True
            )
        _RUNNING.add(self)
        self._root = psutil.Process(self._process.pid)
        self._waiter = ThreadPoolExecutor(1)
        self._ending: Future[tuple[int | None, float]] = Future()
        self._processes: dict[int, psutil.Process] = {self._root.pid: self._root}

    def wait_ready(self, port: int, path: str) -> None:
        """Wait until ``path`` answers 200.

        Raises:
            DidNotStart: it will not, or not in time.
        """
        deadline = time.monotonic() + START_S
        while _status(port, path) != 200:
            if self._process.poll() is not None:
                raise DidNotStart(f"ended with {self._process.returncode}: {self._last_line()}")
            if time.monotonic() > deadline:
                raise DidNotStart(f"not ready within {START_S:.0f} s: {self._last_line()}")
            time.sleep(0.1)

    def wait_listening(self, port: int) -> None:
        """Wait until it takes connections.

        Raises:
            DidNotStart: it will not, or not in time.
        """
        deadline = time.monotonic() + START_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
                return
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise DidNotStart(f"takes no connection: {self._last_line()}")
            time.sleep(0.1)

    def cpu_s(self) -> float:
        """Processor time of the tree so far, of children that ended too."""
        total = 0.0
        for process in self._alive():
            with contextlib.suppress(psutil.Error):
                used = process.cpu_times()
                total += used.user + used.system + used.children_user + used.children_system
        return total

    def memory_mb(self) -> float:
        """Resident memory of the tree in MiB; pages that processes share count once (PSS)."""
        total = 0
        for process in self._alive():
            with contextlib.suppress(psutil.Error):
                info = process.memory_full_info()
                total += getattr(info, "pss", info.rss)
        return total / 2**20

    def processes(self) -> int:
        """How many processes there are."""
        return len(self._alive())

    def terminate(self) -> None:
        """Send SIGTERM, as an orchestrator does."""
        self._alive()
        started_s = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._ending = self._waiter.submit(self._wait_end, started_s)

    def _wait_end(self, started_s: float) -> tuple[int | None, float]:
        """The exit code, and how long it took; in a thread, for meanwhile the load goes on."""
        code = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self._process.wait(STOP_S)
        return code, time.monotonic() - started_s

    def wait_stopped(self) -> Stopped:
        """Wait for the end after :meth:`terminate`; whatever is left then is killed."""
        code, took_s = self._ending.result()
        if code is not None:
            time.sleep(2)
        left = [process for process in self._processes.values() if _runs(process)]
        orphans = len(left) if code is not None else len([p for p in left if p.pid != self._root.pid])
        self.kill()
        return Stopped(code, took_s, orphans)

    def kill(self) -> None:
        """End every process of the tree."""
        for process in [*self._alive(), *self._processes.values()]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        _RUNNING.discard(self)

    def _alive(self) -> list[psutil.Process]:
        with contextlib.suppress(psutil.Error):
            self._processes.update({child.pid: child for child in self._root.children(recursive=True)})
        return [process for process in self._processes.values() if _runs(process)]

    def _last_line(self) -> str:
        lines = [line for line in self._log.read_text(errors="replace").splitlines() if line.strip()]
        return (lines or ["it said nothing"])[-1].strip()[:200]


def stop_on_sigterm() -> None:
    """Let SIGTERM end a benchmark and its servers; the event loop could swallow an exception."""

    def stop(*_: object) -> None:
        for tree in list(_RUNNING):
            tree.kill()
        os._exit(128 + signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)


def free_port() -> int:
    """A free port with a few free ports behind it."""
    while True:
        with socket.socket() as first, socket.socket() as second, socket.socket() as third:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + 1))
                third.bind(("127.0.0.1", port + 2))
                return port


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _status(port: int, path: str) -> int:
    """Status of a GET; 0 without an answer."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode()
            )
            head = connection.recv(64)
    except OSError:
        return 0
    return int(head[9:12]) if head[9:12].isdigit() else 0


_RUNNING: set[Tree] = set()
