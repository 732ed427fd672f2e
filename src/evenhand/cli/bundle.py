"""``evenhand bundle``: verify a bundle, show its manifest, fetch it from the hub, put it there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from evenhand.cli.refusal import needs, refuse
from evenhand.models.bundle.target import loss_in_words

if TYPE_CHECKING:
    from evenhand.models.bundle.manifest import Manifest

app = typer.Typer(
    no_args_is_help=True, help="Look at a bundle, verify it, fetch it from the hub, or put it there."
)
Folder = Annotated[Path, typer.Argument(help="Folder of a bundle.")]


@app.command()
@needs(name="bundle verify")
def verify(path: Folder) -> None:
    """Check every hash and the manifest, and let the graph answer; exit 1 with one sentence if that fails."""
    from evenhand.models.bundle.bundle import BundleError
    from evenhand.service.catalog.trial import try_bundle

    try:
        bundle = try_bundle(path).bundle
    except BundleError as error:
        refuse(str(error), 1)
    described = f"{bundle.manifest.name} {bundle.manifest.version}, {len(bundle.manifest.files)} files"
    typer.echo(f"ok: {described}, {bundle.sha256}")
    for line in not_watched_in_words(bundle.manifest):
        typer.echo(line)


@app.command()
def inspect(path: Folder) -> None:
    """Show what a bundle says about itself; reads the manifest only, verifies nothing."""
    from evenhand.models.bundle.bundle import BundleError, read_manifest

    try:
        manifest, digest = read_manifest(path)
    except BundleError as error:
        refuse(str(error), 1)
    show(manifest, digest)


@app.command()
def pull(
    source: Annotated[str, typer.Argument(help="hub:<owner>/<name>, or hub:<owner>/<name>@<revision>.")],
    out: Annotated[Path, typer.Argument(help="Folder for the bundle; must not exist.")],
) -> None:
    """Fetch a bundle from the Hugging Face hub and verify it; only the files that its manifest lists."""
    import tempfile

    from evenhand.library import hub
    from evenhand.models.bundle.bundle import BundleError

    if out.exists():
        refuse(f"{out} exists; remove it or choose another folder", 2)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=".pull-") as folder:
            fetched = hub.pull(source, Path(folder))
            typer.echo(f"{hub.HUB}{hub.HubName.of(source).repo}@{fetched.name}")
            fetched.rename(out)
    except BundleError as error:
        refuse(str(error), 1)
    except OSError as error:
        refuse(f"{out}: not writable ({error.strerror or error})", 1)


@app.command()
def push(
    path: Folder,
    target: Annotated[str, typer.Argument(help="hub:<owner>/<name>; @<branch> for another than main.")],
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository visible to everybody.")
    ] = False,
) -> None:
    """Put a verified bundle on the Hugging Face hub; prints the name of exactly these files."""
    from evenhand.library import hub
    from evenhand.models.bundle.bundle import BundleError

    try:
        typer.echo(hub.push(path, target, private=not public))
    except BundleError as error:
        refuse(str(error), 1)


def show(manifest: Manifest, digest: str) -> None:
    """Print what a person asks first: what it is, what it corrects, and what that did."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(
        f"[bold]{manifest.name} {manifest.version}[/bold]  made {manifest.created_utc}  bundle {digest[:12]}"
    )
    console.print(manifest.description)
    labels = ", ".join(
        f"{label} (favourable)" if label in manifest.favourable else label for label in manifest.labels
    )
    certified = "yes" if manifest.certified else "no"
    console.print(f"labels: {labels}; certified: {certified}; engine: {manifest.graph.engine}")
    if manifest.target is not None:
        console.print(f"target: {manifest.target.in_words()}")
        for line in watch_in_words(manifest):
            console.print(line)
    for reason in manifest.certificate.refusal if manifest.certificate else []:
        console.print(f"not certified: {reason}")
    attributes = Table("attribute", "mode", "threshold", "reference", "other groups", "why")
    for a in manifest.attributes:
        others = ", ".join(group for group in a.groups if group != a.reference)
        attributes.add_row(a.name, a.mode, f"{a.threshold:g}", a.reference, others, a.why)
    console.print(attributes)
    figures = Table("split", "figure", "base", "corrected")
    for split, figures_of in manifest.evaluation.items():
        for aim in figures_of.get("target", {}).get("attributes", []):
            name = f"{aim['figure'].replace('_', ' ')} of {aim['attribute']}"
            figures.add_row(split, name, *(_span(aim[kind]) for kind in ("base", "final")))
        figures.add_row(
            split, "accuracy", *(_rate(figures_of["accuracy"][kind]) for kind in ("base", "final"))
        )
        figures.add_row(
            split, "worst cell", *(_cell(figures_of["worst_cell"][kind]) for kind in ("base", "final"))
        )
    console.print(figures)
    for split, figures_of in manifest.evaluation.items():
        for cell in figures_of.get("target", {}).get("losing", []):
            console.print(f"{split}: {loss_in_words(cell)}")


def not_watched_in_words(manifest: Manifest) -> list[str]:
    """What of the target the service cannot watch, a line each."""
    return [f"not watched in service: {name}: {why}" for name, why in manifest.not_counted.items()]


def watch_in_words(manifest: Manifest) -> list[str]:
    """How the target is watched in service: its limits, what intersections need, and what is not watched."""
    aims = manifest.target.attributes if manifest.target is not None else []
    limits = [
        f"{aim.attribute} {'at most' if aim.is_gap else 'at least'} {aim.limit:g}"
        for aim in aims
        if aim.limit is not None
    ]
    return [
        *([f"limits in service: {', '.join(limits)}"] if limits else []),
        *(
            f"{each.name} counts rows whose {' and '.join(each.of)} are both declared"
            for each in manifest.intersections
        ),
        *not_watched_in_words(manifest),
    ]


def _span(figure: dict[str, Any]) -> str:
    if figure["value"] is None:
        return "too few rows"
    return f"{figure['value']:.3f} ({figure['low']:.3f} to {figure['high']:.3f})"


def _rate(rate: dict[str, Any]) -> str:
    return f"{rate['value']:.3f} ({rate['low']:.3f} to {rate['high']:.3f}, n {rate['n']})"


def _cell(cell: dict[str, Any] | None) -> str:
    if cell is None:
        return "none is large enough"
    return f"{cell['attribute']} = {cell['group']}, {cell['label']}: {_rate(cell['accuracy'])}"
