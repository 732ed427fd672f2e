"""``evenhand serve``. Light to import: the service is imported when it is to start."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from evenhand.cli.refusal import refuse


@contextlib.contextmanager
def end_at_sigterm() -> Iterator[None]:
    """Let SIGTERM end the process at once, with code 0: before uvicorn handles signals no request runs.

    uvicorn sends itself the signal again once it has drained. What is on disk survives a kill at any moment;
    an exception could be lost in a library.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@end_at_sigterm()
def serve(
    bundles: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Folders of bundles, or hub:<owner>/<name>[@<revision>]; EVENHAND_BUNDLES if not given."
        ),
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that share the port.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="Threads inside one operator; 0 shares out the cores.")
    ] = None,
    provider: Annotated[str | None, typer.Option(help="cpu, cuda or tensorrt.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """Serve bundles over HTTP. Every setting is also an EVENHAND_ variable; the command line wins."""
    serve_settings(
        bundles=tuple(bundles) if bundles else None,
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        provider=provider,
        log_level=log_level,
    )


def serve_settings(proxied: bool = False, **options: Any) -> None:  # noqa: ANN401 - settings have many types
    """Serve with these settings until a signal comes; an error that the user can correct is one line.

    Args:
        proxied: Whether there must be a server to stand in front of.
        options: Settings that override the environment.
    """
    from evenhand.models.bundle.bundle import BundleError
    from evenhand.service import logs, settings
    from evenhand.service.audit.checkpoints import CheckpointError
    from evenhand.service.audit.digest_keys import KeyFileError
    from evenhand.service.audit.maintenance.migrate import RecordRefused
    from evenhand.service.auth.key_file import AccessError
    from evenhand.service.process import supervisor

    try:
        chosen = settings.load(**options)
        if proxied and not chosen.proxy_upstream:
            raise settings.SettingsError(
                "a proxy needs a server to stand in front of: --upstream http://host:port"
            )
        logs.begin(chosen.log_level, chosen.log_format)
        # The operator's command fetches, before anything serves; the service itself fetches nothing.
        fetched = tuple(_local(bundle, chosen.state) for bundle in chosen.bundles)
        supervisor.serve(chosen.model_copy(update={"bundles": fetched}))
    except (
        settings.SettingsError,
        AccessError,
        BundleError,
        KeyFileError,
        CheckpointError,
        RecordRefused,
    ) as error:
        refuse(str(error), 2)


def _local(bundle: Path, state: Path) -> Path:
    """The folder of a bundle; one of the hub is fetched into the state's folder.

    Raises:
        BundleError: it cannot be fetched, or must not be served.
    """
    from evenhand.library.hub import is_hub, pull

    if not is_hub(bundle):
        return bundle
    typer.echo(f"fetching {bundle}", err=True)
    folder = pull(str(bundle), state / "hub")
    typer.echo(f"{bundle} is {folder}", err=True)
    return folder
