"""The servers that are compared, and how each is started."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from bench import prepare
from bench.loops import closed
from bench.peers.shared.base_model import FOLDER, POISON
from bench.peers.shared.base_model import OURS as OURS_GRAPH
from bench.process import Tree, free_port
from bench.protocols import PROTOCOLS, Ask, Protocol

ROOT = Path(__file__).parent.parent
MARK = "zzfaultzz"
"""A word that makes the model raise in a server that was started faulty."""
OURS = "from evenhand.cli.main import main; main()"


@dataclass(frozen=True, slots=True)
class Server:
    """One line of the table."""

    name: str
    shown: str
    """With what it does, for readers."""
    command: Callable[[Path, int, bool], list[str]]
    """From the folder of programs, the port, and whether it shall be faulty."""
    folder: Path
    packages: str | None
    """Name of the peer whose environment it needs; ``None`` for ours."""
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def protocol(self) -> Protocol:
        """How it is asked."""
        return PROTOCOLS[self.name]

    def install(self) -> Path:
        """Make sure that its packages are there.

        Raises:
            NotInstalled: they cannot be.
        """
        return prepare.environment(self.packages) if self.packages else Path(sys.executable).parent

    @contextmanager
    def running(self, *, faulty: bool = False) -> Iterator[Running]:
        """Start it, wait until it is ready, and leave nothing behind.

        Raises:
            DidNotStart: it is not ready in time.
        """
        port, programs = free_port(), self.install()
        variables = {**self.environment, FOLDER: str(prepare.base_model())}
        if self.packages:
            variables["PYTHONPATH"] = str(prepare.PEERS / "shared")
        if faulty:
            variables[POISON] = MARK
        variables = {name: value.replace("PORT", str(port)) for name, value in variables.items()}
        command = self.command(programs, port, faulty)
        tree = Tree(command, prepare.WORK / f"logs/{self.name}.log", self.folder, variables)
        try:
            tree.wait_ready(port, self.protocol.ready)
            yield Running(tree, port)
        finally:
            tree.kill()


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    tree: Tree
    port: int


def evenhand(
    bundle: Path = prepare.BUNDLE,
    name: str = "evenhand",
    shown: str = "Evenhand, correction on",
    start: str = OURS,
) -> Server:
    """Ours, from this checkout."""

    def command(programs: Path, port: int, faulty: bool) -> list[str]:
        program = ["-m", "bench.faulty"] if faulty else ["-c", start]
        return [
            str(programs / "python"),
            *program,
            "serve",
            str(bundle),
            "--port",
            str(port),
            "--log-level",
            "warning",
        ]

    state = {"EVENHAND_STATE": str(prepare.WORK / "state/PORT")}  # a record of its own for every run
    return Server(name, shown, command, ROOT, None, state)


def _script(name: str, shown: str, peer: str | None = None, **environment: str) -> Server:
    def command(programs: Path, port: int, _: bool) -> list[str]:
        return [str(programs / "python"), "server.py", str(port)]

    return Server(name, shown, command, prepare.PEERS / (peer or name), peer or name, environment)


def _bentoml() -> Server:
    def command(programs: Path, port: int, _: bool) -> list[str]:
        address = ["--host", "127.0.0.1", "--port", str(port)]
        return [str(programs / "bentoml"), "serve", "service:Classifier", *address]

    home = {"BENTOML_HOME": str(prepare.WORK / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    return Server(
        "bentoml", "BentoML, adaptive batching", command, prepare.PEERS / "bentoml", "bentoml", home
    )


def _mlserver() -> Server:
    def command(programs: Path, _: int, __: bool) -> list[str]:
        return [str(programs / "mlserver"), "start", "."]

    ports = {"MLSERVER_HTTP_PORT": "PORT", "MLSERVER_GRPC_PORT": "0", "MLSERVER_METRICS_PORT": "0"}
    ports["MLSERVER_METRICS_DIR"] = str(prepare.WORK / "mlserver")
    return Server(
        "mlserver", "MLServer, adaptive batching", command, prepare.PEERS / "mlserver", "mlserver", ports
    )


def _mosec() -> Server:
    def command(programs: Path, port: int, _: bool) -> list[str]:
        address = ["--address", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
        return [str(programs / "python"), "server.py", *address, "--timeout", "30000"]

    return Server("mosec", "mosec, dynamic batching", command, prepare.PEERS / "mosec", "mosec")


def _triton() -> Server:
    # Triton embeds a libpython: it must be this interpreter's own, whose standard library it then reads.
    home = {
        "PYTRITON_HOME": str(prepare.WORK / "pytriton"),
        "LD_LIBRARY_PATH": sysconfig.get_config_var("LIBDIR"),
    }
    return _script("triton", "Triton through PyTriton, dynamic batching", **home)


SERVERS = {
    server.name: server
    for server in (
        evenhand(),
        evenhand(name="evenhand-off", shown='Evenhand, "mode": "off"'),
        _script("fastapi", "FastAPI, no batching"),
        _script("fastapi-ours", "FastAPI around our graph", "fastapi", **{OURS_GRAPH: "1"}),
        _script("litserve", "LitServe, batching"),
        _bentoml(),
        _script("rayserve", "Ray Serve, @serve.batch", RAY_USAGE_STATS_ENABLED="0"),
        _mlserver(),
        _mosec(),
        _triton(),
    )
}
"""By name, in the order of the table."""


def figures_of(
    server: Server, asks: Sequence[Ask], connections: int, warm_s: float, seconds: float
) -> dict[str, Any]:
    """Start a server, warm it, and measure a closed loop."""

    async def drive(port: int) -> dict[str, Any]:
        await closed(port, asks, connections, warm_s)
        return (await closed(port, asks, connections, seconds)).figures()

    with server.running() as running:
        return uvloop.run(drive(running.port))
