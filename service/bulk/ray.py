"""``evenhand predict --ray``: the same work in parts, on actors of a Ray cluster, by Ray Data.

A part is some rows of a row group of a Parquet file, or any other file as a whole. Each is a run of its own
with a journal of its own, so that a part whose node dies goes on elsewhere, and an interrupted command where
it was. Files, bundle and output lie on storage that every node sees under the same path.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from evenhand.console import Show
from evenhand.models.bundle.bundle import read_manifest
from evenhand.service.audit.digest_keys import KeyFileError
from evenhand.service.audit.maintenance.migrate import RecordRefused
from evenhand.service.bulk.answers import loaded
from evenhand.service.bulk.journal import write_text
from evenhand.service.bulk.run import Job, Plan, Prediction, Summary, types_of
from evenhand.service.errors import RecordUnavailable
from evenhand.tables.arrow import PlainType, open_parquet
from evenhand.tables.read import FORMATS, PARQUET
from evenhand.tables.table import DataError

PART_ROWS = 200_000
"""Rows of a part of a Parquet file at most; a larger row group is several parts."""


@dataclass(frozen=True)
class Part:
    """Rows of one file."""

    source: Path
    start: int
    rows: int | None
    """All if ``None``."""

    @property
    def name(self) -> str:
        """Of its output, which says the file and how many rows come before."""
        return f"{self.source.name}.{self.start:012}.parquet"


class PartRunner:
    """An actor: it loads the bundle once and answers part after part.

    Args:
        job: What to do with each.
    """

    def __init__(self, job: Job) -> None:
        self._job, self._model = job, loaded(job.bundle, job.run)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Answer parts: a line of JSON for each, with its rows and counts, or an error to show."""
        columns = (batch[name].tolist() for name in ("source", "start", "rows", "out"))
        parts = [
            (Part(Path(source), start, None if rows < 0 else rows), Path(out))
            for source, start, rows, out in zip(*columns, strict=True)
        ]
        return {"result": [json.dumps(self._run(part, out)) for part, out in parts]}

    def _run(self, part: Part, out: Path) -> dict[str, Any]:
        job = replace(self._job, source=part.source, start=part.start, rows=part.rows, out=out)
        try:
            prediction = Prediction(job, self._model)
            identity, done = prediction.identity(), out.with_name(f".{out.name}.done")
            if out.exists() and done.exists():
                return _of_before(json.loads(done.read_bytes()), identity, out)
            out.unlink(missing_ok=True)
            summary = prediction.run(lambda _: None, lambda _, __: None)
        except DataError as error:
            return {"error": str(error)}
        except (OSError, RecordUnavailable, RecordRefused, KeyFileError) as error:
            return {"error": f"{part.source}: {error}\nonce that is mended, the same command goes on"}
        result = {"rows": summary.rows, "counts": summary.counts, "job": identity}
        write_text(done, json.dumps(result))
        return result


def _of_before(done: dict[str, Any], identity: dict[str, Any], out: Path) -> dict[str, Any]:
    """What an interrupted command did with a part."""
    if done["job"] == identity:
        return done
    return {
        "error": f"{out.parent}: a command with other options, or of other files, wrote {out.name}\n"
        "repeat that command to go on, or begin anew with --restart"
    }


def parts_of(source: Path) -> list[Part]:
    """The parts of a file, or of all files of a folder by name.

    Raises:
        DataError: there is no file, or one cannot be read.
    """
    files = [source]
    if source.is_dir():
        files = sorted(file for file in source.iterdir() if file.suffix.lower() in FORMATS)
    if not files:
        raise DataError(f"{source}: no file ending in {', '.join(FORMATS)}")
    return [part for file in files for part in _parts(file.absolute())]


def _parts(file: Path) -> list[Part]:
    if file.suffix.lower() != PARQUET:
        return [Part(file, 0, None)]
    metadata, start, parts = open_parquet(file).metadata, 0, []
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        parts += [Part(file, start + skip, min(PART_ROWS, rows - skip)) for skip in range(0, rows, PART_ROWS)]
        start += rows
    return parts


def _common_types(parts: Sequence[Part]) -> dict[str, PlainType]:
    """Types of columns that all files state alike: all parts of the output have the same columns."""
    first, *others = (types_of(source) for source in dict.fromkeys(part.source for part in parts))
    return {name: kind for name, kind in first.items() if all(of.get(name) == kind for of in others)}


def run(job: Job, actors: int, say: Callable[[Plan], None], show: Show) -> Summary:
    """Answer all parts; the output is a folder with a Parquet file for each.

    Args:
        job: Its source is a file or a folder, its output the folder.
        actors: How many; 0 is as many as the cluster has cores for.
        say: Called with the plan of the first file, before any row.
        show: Called with how many parts are done, and of how many.

    Raises:
        DataError: a file cannot be used, or the output is there already.
        BundleError: the bundle cannot be served.
    """
    if job.out.exists():
        raise DataError(f"{job.out}: is there already; name another folder")
    parts = parts_of(job.source)
    job = replace(job, types=_common_types(parts))
    work = job.out.absolute().with_name(f".{job.out.name}.parts")
    if job.restart:
        shutil.rmtree(work, ignore_errors=True)
    work.mkdir(exist_ok=True)
    _check(job, parts, work, say)
    rows, counts, done = 0, Counter[str](), 0
    for result in _results(replace(job, restart=False), parts, work, actors):
        if "error" in result:
            raise DataError(result["error"])
        rows, done = rows + result["rows"], done + 1
        counts.update(result["counts"])
        show(done, len(parts))
    errors = job.out.with_name(f"{job.out.name}.errors.jsonl")
    _gather_errors(parts, work, errors)
    for file in work.glob(".*.done"):
        file.unlink()
    os.replace(work, job.out)
    return Summary(rows, counts, job.out, errors, read_manifest(job.bundle)[0])


def _check(job: Job, parts: Sequence[Part], work: Path, say: Callable[[Plan], None]) -> None:
    """Refuse a file that cannot be used before any row of any file is answered."""
    model = loaded(job.bundle, job.run)
    for place, source in enumerate(dict.fromkeys(part.source for part in parts)):
        prediction = Prediction(replace(job, source=source, out=work / "part.parquet"), model)
        if not place:
            say(prediction.plan(0))


def _results(job: Job, parts: Sequence[Part], work: Path, actors: int) -> Iterator[dict[str, Any]]:
    """What came of each part, as they are done."""
    import ray
    from ray.data import DataContext

    ray.init(ignore_reinit_error=True, log_to_driver=False, logging_level="ERROR")
    DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)  # which would tell its plan
    cores_each = job.run.threads or 1
    count = actors or max(1, int(ray.cluster_resources().get("CPU", 1)) // cores_each)
    job = replace(job, bundle=job.bundle.absolute(), run=replace(job.run, threads=cores_each))
    items = [
        {
            "source": str(part.source),
            "start": part.start,
            "rows": -1 if part.rows is None else part.rows,
            "out": str(work / part.name),
        }
        for part in parts
    ]
    answered = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
        PartRunner,
        batch_size=1,
        fn_constructor_args=(job,),
        compute=ray.data.ActorPoolStrategy(size=min(count, len(items))),
        num_cpus=cores_each,
        num_gpus=0 if job.run.provider == "cpu" else 1,
    )
    try:
        for row in answered.iter_rows():
            yield json.loads(row["result"])
    except ray.exceptions.RayError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[-1]
        raise DataError(
            f"Ray stopped: {reason}\nthe same command goes on with the parts that are missing"
        ) from error


def _gather_errors(parts: Sequence[Part], work: Path, errors: Path) -> None:
    """One list of the rows that failed, with the file of each."""
    draft = errors.with_name(f".{errors.name}.part")
    errors.unlink(missing_ok=True)
    with draft.open("w", encoding="utf-8") as file:
        for part in parts:
            own = work / f"{part.name}.errors.jsonl"
            if own.exists():
                for line in own.read_text(encoding="utf-8").splitlines():
                    failed = {"file": part.source.name, **json.loads(line)}
                    file.write(json.dumps(failed, ensure_ascii=False) + "\n")
    if draft.stat().st_size:
        os.replace(draft, errors)
        for own in work.glob("*.errors.jsonl"):
            own.unlink()
    else:
        draft.unlink()
