"""What several worker processes of one server say together."""

import urllib.request

import psutil
from serving import Server

NAME = "hate-speech"


def workers(server: Server) -> list[psutil.Process]:
    """The processes that listen; spawning has a helper process of its own."""
    return [child for child in psutil.Process(server.process.pid).children() if child.net_connections("tcp")]


def metrics(server: Server) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/metrics", timeout=600) as reply:
        text: str = reply.read().decode()
    return text


def total(server: Server, start: str) -> float:
    return sum(
        float(line.rsplit(" ", 1)[1]) for line in metrics(server).splitlines() if line.startswith(start)
    )
