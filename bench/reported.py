"""Decisions made elsewhere, in bulk: how many a second are in the record when the reply comes?

    python -m bench.reported --rows 200000
    python -m bench.reported --rows 200000 --url postgresql+psycopg://user@127.0.0.1/empty

One client sends JSON lines to a service of one process, each with an own id, a prediction with its score, two
groups and a true label, and then all of them again. The time runs from the first byte to the reply, which
comes once everything is in the database. ``--once`` leaves the second time out; ``--features`` adds six
features to each line; ``--faulty 1`` breaks so many lines, spread over the body, and says which of them the
reply names; ``--parquet`` sends a Parquet file instead. The record is counted and its chain verified
afterwards.
"""

from __future__ import annotations

import argparse
import http.client
import io
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.summary import rounded

LINES = 2000
"""Lines in one piece of the body."""
OBSERVE = (
    *("observe", "hiring", "--labels", "hire,reject", "--favourable", "hire"),
    *("--attributes", "sex=female,male", "--attributes", "origin=a,b,c,d", "--target", "equalized-odds"),
)


def evenhand(state: Path, url: str, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a command."""
    environment = {**os.environ, "EVENHAND_STATE": str(state), "EVENHAND_RECORD": url}
    return subprocess.Popen([sys.executable, "-m", "evenhand", *arguments], env=environment)


def lines(rows: int, features: bool) -> list[bytes]:
    """A body in pieces; made before the time runs."""
    generator, pieces = random.Random(0), list[bytes]()
    for start in range(0, rows, LINES):
        made = [decision(generator, number, features) for number in range(start, min(rows, start + LINES))]
        pieces.append("".join(json.dumps(one) + "\n" for one in made).encode())
    return pieces


def broken(pieces: list[bytes], faulty: int) -> list[int]:
    """Break lines in place, evenly spread; returns their numbers."""
    places = [len(pieces) * (2 * number + 1) // (2 * faulty) for number in range(faulty)]
    for place in places:
        pieces[place] = (
            b'{"prediction": '
            + pieces[place].split(b"\n", 1)[0][:20]
            + b"\n"
            + pieces[place].split(b"\n", 1)[1]
        )
    return [place * LINES + 1 for place in places]


def parquet(pieces: list[bytes]) -> list[bytes]:
    """The same decisions as a Parquet file of flat columns."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for piece in pieces:
        rows = [json.loads(line) for line in piece.splitlines()]
        for row in rows:
            row |= {f"groups.{name}": group for name, group in row.pop("groups").items()}
        tables.append(pa.Table.from_pylist(rows))
    file = io.BytesIO()
    pq.write_table(pa.concat_tables(tables), file)
    return [file.getvalue()]


def decision(generator: random.Random, number: int, features: bool) -> dict[str, Any]:
    """One line."""
    score = round(generator.random(), 4)
    groups = {"sex": generator.choice(("female", "male")), "origin": generator.choice("abcd")}
    made = {
        "model": "hiring",
        "id": f"application-{number}",
        "prediction": "hire" if score > 0.5 else "reject",
        "score": max(score, 1 - score),
        "label": generator.choice(("hire", "reject")),
        "groups": groups,
    }
    if features:
        made["features"] = {f"feature {place}": generator.random() for place in range(6)}
    return made


def send(port: int, pieces: list[bytes], kind: str) -> tuple[dict[str, Any], float]:
    """The reply, and the seconds until it came."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3600)
    headers = {"content-type": kind, "content-length": str(sum(map(len, pieces)))}
    began_s = time.monotonic()
    connection.request("POST", "/decisions", body=_body(pieces), headers=headers)
    reply = json.load(connection.getresponse())
    took_s = time.monotonic() - began_s
    connection.close()
    return reply, took_s


def _body(pieces: list[bytes]) -> Iterator[bytes]:
    yield from pieces


def ready(port: int) -> None:
    """Wait until the service answers."""
    while True:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)


def counted(url: str) -> dict[str, int]:
    """What is in the database."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        kinds = connection.execute(sa.text("SELECT kind, count(*) FROM records GROUP BY kind")).all()
        hourly = connection.execute(
            sa.text("SELECT coalesce(sum(n), 0) FROM hourly_decisions WHERE attribute = 'sex'")
        ).scalar_one()
    engine.dispose()
    return {**{kind: int(number) for kind, number in kinds}, "counted": int(hourly)}


def memory_mib(process: subprocess.Popen[bytes]) -> float:
    """The most memory that a process had."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def processor_s(process: subprocess.Popen[bytes]) -> float:
    """Processor time that a process took."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(state: Path, url: str, options: argparse.Namespace) -> dict[str, Any]:
    """Send everything to a new service."""
    assert evenhand(state, url, *OBSERVE).wait() == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = evenhand(state, url, "serve", "--port", str(port), "--log-level", "warning")
    try:
        ready(port)
        idle_mib, idle_s = memory_mib(service), processor_s(service)
        pieces, kind = lines(options.rows, options.features), "application/x-ndjson"
        faulty = broken(pieces, options.faulty)
        if options.parquet:
            pieces, kind = parquet(pieces), "application/vnd.apache.parquet"
        reply, took_s = send(port, pieces, kind)
        figures: dict[str, Any] = {
            "rows": options.rows,
            "recorded": reply["counts"]["recorded"],
            "recorded_per_s": rounded(options.rows / took_s),
            "processor_us_per_row": rounded((processor_s(service) - idle_s) * 1e6 / options.rows),
        }
        if faulty:
            figures |= {"broken": faulty, "counts": reply["counts"], "named": reply["not_new"][:20]}
        if not options.once:
            reply, took_s = send(port, pieces, kind)
            figures |= {"again": reply["counts"], "again_per_s": rounded(options.rows / took_s)}
        figures |= {"idle_mib": rounded(idle_mib), "most_mib": rounded(memory_mib(service))}
    finally:
        service.terminate()
        service.wait()
    figures["record"] = counted(url)
    verify = evenhand(state, url, "audit", "verify")
    return {**figures, "verify_code": verify.wait()}


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--url", help="an empty database; a new SQLite file if not given")
    parser.add_argument("--features", action="store_true", help="add six features to each line")
    parser.add_argument("--faulty", type=int, default=0, help="lines to break")
    parser.add_argument("--parquet", action="store_true", help="send a Parquet file")
    parser.add_argument("--once", action="store_true", help="do not send everything again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder)
        url = options.url or f"sqlite:///{state / 'record.db'}"
        print(json.dumps(measure(state, url, options), indent=1))


if __name__ == "__main__":
    main()
