"""``evenhand``: serve, bundle inspect, bundle verify, and the commands of whoever else is installed.

Heavy imports wait for their command. ``service`` may not import ``training``: its commands arrive as entry points.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from evenhand.cli.audit import app as audit_app
from evenhand.cli.keys import app as key_app

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Serve classifiers that correct themselves.")
bundle_app = typer.Typer(no_args_is_help=True, help="Look at a bundle, or verify it.")
app.add_typer(bundle_app, name="bundle")
app.add_typer(audit_app, name="audit")
app.add_typer(key_app, name="key")

ENTRY_POINTS = "evenhand.commands"
Folder = Annotated[Path, typer.Argument(help="Folder of a bundle.")]


@contextlib.contextmanager
def _leaving_when_told() -> Iterator[None]:
    """Let SIGTERM end the process at once, and well: until uvicorn listens to signals nothing is under way.

    uvicorn, too, sends itself the signal again once it has drained. What is on disk survives a kill at any moment; an
    exception instead of an end could get lost in whichever library's code it hits.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@app.command()
@_leaving_when_told()
def serve(
    bundles: Annotated[list[Path] | None, typer.Argument(help="Folders of bundles; EVENHAND_BUNDLES else.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the port.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads inside one operator; 0 shares out the cores.")] = None,
    provider: Annotated[str | None, typer.Option(help="cpu, cuda or tensorrt.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Serve bundles over HTTP. Every setting is also an EVENHAND_ variable; the command line wins."""
    from evenhand.models.bundle.bundle import BundleError
    from evenhand.service import logs, settings
    from evenhand.service.audit.checkpoints import CheckpointError
    from evenhand.service.audit.digest_keys import KeyFileError
    from evenhand.service.audit.maintenance.migrate import RecordRefused
    from evenhand.service.auth.key_file import AccessError
    from evenhand.service.process import supervisor

    folders = tuple(bundles) if bundles else None
    given = {"host": host, "port": port, "workers": workers, "threads": threads, "provider": provider}
    try:
        chosen = settings.load(bundles=folders, log_level=log_level, **given)
        logs.begin(chosen.log_level, chosen.log_format)
        supervisor.serve(chosen)
    except (settings.SettingsError, AccessError, BundleError, KeyFileError, CheckpointError, RecordRefused) as error:
        _fail(str(error), 2)


@app.command()
def doctor(
    bundles: Annotated[list[Path] | None, typer.Argument(help="Folders of bundles; EVENHAND_BUNDLES else.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Check settings, bundles, record, clock, packages and port; exit 0 all is well, 1 warnings, 2 problems."""
    from evenhand.service.doctor.checks import examine
    from evenhand.service.doctor.findings import EXIT, text, worst

    findings, settings = examine({"bundles": tuple(bundles) if bundles else None, "host": host, "port": port})
    typer.echo(text(findings, settings, as_json=json))
    raise typer.Exit(EXIT[worst(findings)])


@bundle_app.command()
def verify(path: Folder) -> None:
    """Check every hash, the manifest and the graph's signature; exit 1 with one sentence if anything does not hold."""
    from evenhand.models.bundle.bundle import BundleError, load
    from evenhand.models.bundle.runner import make_runner

    try:
        found = load(path)
        make_runner(found)
    except BundleError as error:
        _fail(str(error), 1)
    typer.echo(f"ok: {found.manifest.name} {found.manifest.version}, {len(found.manifest.files)} files, {found.sha256}")


@bundle_app.command()
def inspect(path: Folder) -> None:
    """Show what a bundle says about itself; reads the manifest only, verifies nothing."""
    from evenhand.cli.bundle import show
    from evenhand.models.bundle.bundle import BundleError, read_manifest

    try:
        manifest, digest = read_manifest(path)
    except BundleError as error:
        _fail(str(error), 1)
    show(manifest, digest)


def main() -> None:
    """The console script."""
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        app.command(entry.name)(_load(entry))
    app()


def _load(entry: importlib.metadata.EntryPoint) -> Callable[..., Any]:
    """A command of an installed package, or one that says what is missing."""
    try:
        command: Callable[..., Any] = entry.load()
    except ImportError as error:
        reason = str(error)

        def command() -> None:
            _fail(f"this command cannot start ({reason})", 2)

    return command


def _fail(message: str, code: int) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code)
