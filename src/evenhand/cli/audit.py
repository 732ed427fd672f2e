"""``evenhand audit``: verify the record of decisions, export it, back it up, prune it, erase decisions.

Exit codes: 0 all is well, 1 the record does not hold, 2 the command cannot run, or a decision is unknown.
"""

from __future__ import annotations

import contextlib
import getpass
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from evenhand.console import bar

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from evenhand.service.audit.digest_keys import Keys
    from evenhand.service.audit.maintenance.checker import Report

app = typer.Typer(
    no_args_is_help=True, help="The record of decisions: verify, export, back up, prune, erase."
)

State = Annotated[Path, typer.Option(envvar="EVENHAND_STATE", help="The service's state folder.")]
Record = Annotated[
    str,
    typer.Option(
        envvar="EVENHAND_RECORD", help="URL of the database; SQLite in the state folder if not given."
    ),
]
By = Annotated[str, typer.Option(help="Who asked for it; the user of this machine if not given.")]
STATE = Path("evenhand-state")
SHOWN = 50
"""Findings that are printed."""


@app.command()
def verify(
    record: Record = "",
    state: State = STATE,
    file: Annotated[Path | None, typer.Option(help="An exported file in place of the database.")] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Checkpoints that were kept elsewhere, as lines.")
    ] = None,
    public_key: Annotated[
        list[str] | None, typer.Option(help="Who may have signed: 64 digits, or a file.")
    ] = None,
) -> None:
    """Check every record, link and checkpoint; exit 1 and name what was changed, removed, moved or put in."""
    with _one_line():
        from evenhand.service.audit import checkpoints as signed
        from evenhand.service.audit.maintenance.record_export import verify_file
        from evenhand.service.audit.maintenance.verify import verify as verify_database

        kept = signed.read_lines(checkpoints) if checkpoints else []
        trusted = frozenset(map(signed.read_public, public_key or ()))
        own = state / "checkpoint.key"
        if not trusted and file is None and own.is_file():
            trusted = frozenset([signed.public_bytes(signed.load_key(own))])
        with bar("verifying") as progress:
            if file is not None:
                report = verify_file(file, kept, trusted, progress)
            else:
                report = verify_database(_engine(record, state), kept, trusted, progress)
        _show(report, bool(trusted))


@app.command()
def checkpoints(record: Record = "", state: State = STATE) -> None:
    """Print every signed checkpoint as a line of JSON.

    Keep them where those who can write to the database cannot write.
    """
    with _one_line():
        from evenhand.service.audit.checkpoints import stored
        from evenhand.service.audit.maintenance.verify import snapshot

        with snapshot(_engine(record, state)) as connection:
            for one in stored(connection):
                typer.echo(one.line())


@app.command()
def export(
    out: Annotated[Path, typer.Option(help="The file: .jsonl, .jsonl.gz, or .parquet.")],
    record: Record = "",
    state: State = STATE,
    from_: Annotated[
        str, typer.Option("--from", help="First moment, ISO 8601; UTC if no time zone is given.")
    ] = "",
    to: Annotated[str, typer.Option(help="Moment at which it ends, itself left out.")] = "",
    with_attributes: Annotated[
        bool, typer.Option(help="Include declared sensitive attributes; needs --purpose.")
    ] = False,
    purpose: Annotated[
        str, typer.Option(help="Why sensitive attributes are exported; this is recorded.")
    ] = "",
    by: By = "",
    parquet: Annotated[bool, typer.Option(help="Write Parquet; the file must end in .parquet.")] = False,
) -> None:
    """Write the records of a period to a file that can be verified on its own."""
    with _one_line():
        from evenhand.service.audit.maintenance import record_export as exports

        if parquet and out.suffix != ".parquet":
            _fail(f"--parquet writes a file that ends in .parquet, not {out.name}")
        period = exports.ExportPeriod(_moment(from_), _moment(to))
        if with_attributes != bool(purpose):
            _fail("--with-attributes and --purpose go together: whoever reads sensitive attributes says why")
        engine = _engine(record, state)
        span = exports.span(engine, period)
        disclosure = None
        if with_attributes:
            disclosure = exports.Disclosure(_keys(state, engine), purpose, by or getpass.getuser())
        with bar("exporting") as progress:
            done = exports.export(engine, span, out, disclosure, progress)
    typer.echo(
        f"{done:,} records, {span.first} to {span.last}, in {out}; evenhand audit verify --file checks it"
    )


@app.command()
def backup(
    out: Annotated[Path, typer.Argument(help="The file to write; must not exist.")],
    record: Record = "",
    state: State = STATE,
) -> None:
    """Copy an SQLite record while the service writes; for PostgreSQL use pg_dump."""
    with _one_line():
        from evenhand.service.audit.maintenance.backup import back_up

        engine = _engine(record, state)
        with bar("copying") as progress:
            last = back_up(engine, out, progress)
    typer.echo(
        f"{out}: the record up to {last:,}, readable by you alone; evenhand audit verify --record checks it"
    )
    waiting = [path for path in (state / "spool").glob("*.spool") if path.stat().st_size]
    if waiting:
        typer.echo(
            f"not in it: what waits in {state / 'spool'}; copy that folder too, or wait until it is empty",
            err=True,
        )
    typer.echo(f"keep with it, but elsewhere: {state / 'record.key'}, {state / 'checkpoint.key'}", err=True)


@app.command()
def prune(
    record: Record = "",
    state: State = STATE,
    keep_decisions_days: Annotated[
        float,
        typer.Option(
            envvar="EVENHAND_KEEP_DECISIONS_DAYS", min=1, help="Days that decisions and events are kept."
        ),
    ] = 183,
    keep_attributes_days: Annotated[
        float,
        typer.Option(
            envvar="EVENHAND_KEEP_ATTRIBUTES_DAYS", min=1, help="Days that sensitive attributes are kept."
        ),
    ] = 90,
    prune_share: Annotated[
        float,
        typer.Option(
            envvar="EVENHAND_PRUNE_SHARE",
            min=0,
            max=1,
            help="Largest share that is deleted without --yes-beyond-limits.",
        ),
    ] = 0.1,
    dry_run: Annotated[bool, typer.Option(help="Say what would be deleted, and change nothing.")] = False,
    yes_beyond_limits: Annotated[
        bool,
        typer.Option(help="The clock is right: delete all that is due, whatever the newest records say."),
    ] = False,
) -> None:
    """Delete what is older than the retention period; hourly counts stay."""
    with _one_line():
        from evenhand.service.audit.maintenance import age, retention

        engine, now_ms = _engine(record, state), time.time_ns() // 1_000_000
        limits = age.Limits(keep_decisions_days, keep_attributes_days, prune_share)
        held = None if yes_beyond_limits else age.held(engine, limits, now_ms)
        if held is not None and not dry_run:
            _fail(f"nothing was deleted: {held.message}")
        arguments = (engine, keep_decisions_days, keep_attributes_days, now_ms)
        if dry_run:
            past, word = retention.due(*arguments), "would be deleted"
        else:
            with bar("pruning") as progress:
                past, word = retention.prune(*arguments, progress), "deleted"
            age.mark(engine, now_ms, is_confirmed=yes_beyond_limits)
    upto = f", up to record {past.to_seq}" if past.to_seq else ""
    typer.echo(f"{past.records:,} records{upto}, and {past.attributes:,} sensitive attributes {word}")
    if held is not None:
        typer.echo(f"not without --yes-beyond-limits: {held.message}", err=True)


@app.command()
def erase(
    decisions: Annotated[list[str] | None, typer.Argument(help="Ids of decisions.")] = None,
    own_id: Annotated[
        list[str] | None, typer.Option(help="Your own id: erases every decision that was sent with it.")
    ] = None,
    record: Record = "",
    state: State = STATE,
    by: By = "",
) -> None:
    """Erase the data about decisions; their place in the chain stays, and the chain still verifies."""
    if not decisions and not own_id:
        _fail("nothing to erase; give ids of decisions, or your own ids with --own-id")
    with _one_line():
        from evenhand.service.audit.maintenance import retention
        from evenhand.service.audit.pseudonyms import decisions_of

        engine = _engine(record, state)
        keys = _keys(state, engine)
        with engine.connect() as connection:
            of = decisions_of(connection, keys, own_id or ())
        names = [*(decisions or ()), *(name for several in of.values() for name in several)]
        with bar("erasing") as progress:
            done = retention.erase(engine, keys, names, by or getpass.getuser(), progress)
        done.unknown += [name for name in own_id or () if name not in of]
    typer.echo(
        f"erased: {len(done.records)} bodies, {done.attributes} sensitive attributes, {done.labels} labels, "
        f"{done.own_ids} own ids; {len(done.already)} decisions were erased before"
    )
    if done.unknown:
        typer.echo(
            f"not in the database: {len(done.unknown)} ({', '.join(done.unknown[:SHOWN])}); if the service "
            "spools, ask again once evenhand_record_spool_rows is 0",
            err=True,
        )
        raise typer.Exit(2)


def _engine(record: str, state: Path) -> Engine:
    """The database; none is made."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    from evenhand.service.audit.store import make_engine

    if record == "off":
        _fail("the record is off (--record or EVENHAND_RECORD); name its database")
    url = record or f"sqlite:///{state / 'record.db'}"
    with contextlib.suppress(ArgumentError):
        chosen = make_url(url)
        if chosen.get_backend_name() == "sqlite" and not Path(chosen.database or "").is_file():
            _fail(
                f"no record at {chosen.database}; name the state folder with --state, "
                "or the database with --record"
            )
    return make_engine(url)


def _keys(state: Path, engine: Engine) -> Keys:
    """The record's key; none is made, and another record's is refused."""
    from evenhand.service.audit.digest_keys import load_keys
    from evenhand.service.audit.maintenance.migrate import migrate

    path = state / "record.key"
    if not path.is_file():
        _fail(
            f"no key at {path}: sensitive attributes are found with the record's own; "
            "name its folder with --state"
        )
    keys = load_keys(path)
    migrate(engine.execution_options(writes=True), keys.fingerprint)
    return keys


def _show(report: Report, trusted: bool) -> None:
    from evenhand.service.audit.events import time_of
    from evenhand.service.audit.maintenance.verify import NOT_PROVED

    for finding in report.findings[:SHOWN]:
        typer.echo(str(finding))
    more = report.more + max(0, len(report.findings) - SHOWN)
    if more:
        typer.echo(f"... and {more:,} findings more")
    if report.findings:
        typer.echo(f"does not hold: first at {report.findings[0]}", err=True)
        raise typer.Exit(1)
    times = f", {time_of(report.times_ms[0])} to {time_of(report.times_ms[1])}" if report.records else ""
    typer.echo(f"holds: {report.records:,} records ({report.first} to {report.last}){times}")
    typer.echo(
        f"{report.decisions:,} decisions; {report.erased:,} bodies erased, each by an event that names it"
    )
    if report.covered:
        whose = "" if trusted else ", by a key that nothing but the record itself vouches for (--public-key)"
        upto = f"up to record {report.covered.seq}, {time_of(report.covered.at_ms)}{whose}"
        typer.echo(
            f"checkpoints: {report.held} hold, {upto}; {report.uncompared} of records that are not here"
        )
    else:
        typer.echo("checkpoints: none")
    for what in NOT_PROVED:
        typer.echo(f"not proved: {what}")


def _moment(text: str) -> int | None:
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        _fail("--from and --to are moments in ISO 8601, such as 2026-01-31 or 2026-01-31T12:00:00Z")
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


@contextlib.contextmanager
def _one_line() -> Iterator[None]:
    """Turn an error that keeps a command from running into one line."""
    from sqlalchemy.exc import DBAPIError

    from evenhand.service.audit.checkpoints import CheckpointError
    from evenhand.service.audit.digest_keys import KeyFileError
    from evenhand.service.audit.maintenance.backup import BackupError
    from evenhand.service.audit.maintenance.migrate import RecordRefused
    from evenhand.service.audit.maintenance.record_export import RecordExportError
    from evenhand.service.audit.maintenance.verify import NoRecordError

    try:
        yield
    except (
        BackupError,
        CheckpointError,
        RecordExportError,
        KeyFileError,
        NoRecordError,
        RecordRefused,
    ) as error:
        _fail(str(error))
    except DBAPIError as error:
        from evenhand.service.audit.maintenance.migrate import reason

        _fail(f"the record's database cannot be used: {reason(error)}")
    except OSError as error:
        _fail(f"{error.filename or 'a file'}: {error.strerror or type(error).__name__}")


def _fail(message: str) -> NoReturn:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)
