"""A real process that serves, on a real socket."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from waiting import MOST_S, until

EVENHAND = Path(sys.executable).parent / "evenhand"


class Server:
    def __init__(self, *command: str, port: int = 0, **environment: str) -> None:
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            self.port = free.getsockname()[1]
        command = tuple(part.replace("PORT", str(self.port)) for part in command)
        self.process = subprocess.Popen(
            command, env={**os.environ, **environment}, stderr=subprocess.PIPE, text=True
        )
        until(self._ready)

    def _ready(self) -> bool:
        assert self.process.poll() is None, self.process.stderr.read() if self.process.stderr else ""
        return self.get("/readyz")[0] == 200

    def get(self, path: str, body: Any = None) -> tuple[int, Any]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}", data, {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=600) as reply:
                return reply.status, json.load(reply)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)
        except OSError as error:
            return 0, error

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(MOST_S)


def counted(server: Server, series: str) -> float:
    """The sum of all series that begin like this."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=600) as reply:
        lines = reply.read().decode().splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(series))


def put(server: Server, path: str, body: object) -> int:
    url = f"http://127.0.0.1:{server.port}{path}"
    headers = {"content-type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method="PUT")
    with urllib.request.urlopen(request, timeout=600) as reply:
        status: int = reply.status
    return status
