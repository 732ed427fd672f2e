"""What was spooled is read again, in its order, whatever happened to the file's end."""

import fcntl
import json
import os
import resource
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from recording import RecordCounts, batch, bodies, recorder
from waiting import until

from evenhand.service.audit import writer
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.record_batch import RecordBatch, make
from evenhand.service.audit.spool import Spool

KEYS = Keys(bytes(32))


def lots(number: int) -> list[RecordBatch]:
    return [make([batch(2, seed, gender="Men")], KEYS) for seed in range(number)]


def ids(batches: list[RecordBatch]) -> list[str]:
    return [event.id for lot in batches for event in lot.events]


def quiet(folder: Path) -> Spool:
    return Spool(folder, lambda _: None)


def spooled(folder: Path, number: int) -> tuple[Path, list[RecordBatch]]:
    """A file that a process left."""
    spool, batches = quiet(folder), lots(number)
    for lot in batches:
        spool.append(lot)
    spool.close()
    return next(folder.iterdir()), batches


def read(folder: Path, lose: Callable[[int], None] = lambda _: None) -> list[str]:
    """All that is there, as a new process takes it over."""
    spool, event_ids = Spool(folder, lose), list[str]()
    spool.adopt()
    while some := spool.oldest(3):
        event_ids += ids(some)
        spool.drop()
    assert spool.rows == 0
    spool.close()
    return event_ids


def test_lots_come_back_in_order_and_the_file_goes(tmp_path: Path) -> None:
    path, batches = spooled(tmp_path, 5)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(tmp_path) == ids(batches)
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_read_and_not_dropped_is_read_again(tmp_path: Path) -> None:
    spool, batches = quiet(tmp_path), lots(3)
    for lot in batches:
        spool.append(lot)
    assert ids(spool.oldest(2)) == ids(spool.oldest(2)) == ids(batches[:1])
    spool.drop()
    spool.append(batches[0])
    assert ids(spool.oldest(100)) == ids([*batches[1:], batches[0]])
    assert spool.rows == 6


def test_a_torn_end_costs_the_last_lot_alone(tmp_path: Path) -> None:
    path, batches = spooled(tmp_path, 2)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in (0, 1, 20, 27, 500, len(whole) - first - 1):
        path.write_bytes(whole[: first + cut])
        assert read(tmp_path) == ids(batches[:1])


def test_damage_costs_what_it_hit_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, batches = spooled(tmp_path, 3)
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"\n") + 100] ^= 1
    path.write_bytes(whole)
    assert read(tmp_path) == ids([batches[0], batches[2]])
    assert "damaged" in caplog.text


def test_what_a_living_process_holds_is_left_to_it(tmp_path: Path) -> None:
    living, other, batches = quiet(tmp_path), quiet(tmp_path), lots(1)
    living.append(batches[0])
    other.adopt()
    assert other.rows == 0
    living.close()
    other.adopt()
    assert ids(other.oldest(10)) == ids(batches)


def test_a_new_file_that_somebody_took_for_a_dead_ones_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    taken: list[Path] = []

    def after_somebody(descriptor: int, how: int) -> None:
        if not taken:  # who adopts it finds nothing in it, and removes it
            taken.extend(tmp_path.iterdir())
            taken[0].unlink()
        lock(descriptor, how)

    monkeypatch.setattr("evenhand.service.audit.spool.fcntl.flock", after_somebody)
    spool, batches = quiet(tmp_path), lots(1)
    spool.append(batches[0])
    spool.close()
    assert taken
    assert read(tmp_path) == ids(batches)


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """A disk that is full, as far as this process can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    spool, batches = quiet(tmp_path), lots(4)
    spool.append(batches[0])
    size_bytes = os.stat(next(tmp_path.iterdir())).st_size
    with files_of_at_most(size_bytes + 100), pytest.raises(OSError, match="large"):
        spool.append(batches[1])
    assert os.stat(next(tmp_path.iterdir())).st_size == size_bytes
    assert spool.rows == 2
    spool.append(batches[2])
    assert ids(spool.oldest(100)) == ids([batches[0], batches[2]])
    spool.close()
    assert read(tmp_path) == ids([batches[0], batches[2]])


@pytest.mark.parametrize(
    "line",
    [
        b"00000000 ffffffff 00000001 ",
        b"0 ffffffffffffffffffffff 0 ",
        b"00000000 0000000a -0000001 ",
        b"0" * 27,
    ],
)
def test_a_head_that_lies_takes_no_memory_and_stops_nothing(tmp_path: Path, line: bytes) -> None:
    path, batches = spooled(tmp_path, 2)
    path.write_bytes(line + b"\n" + path.read_bytes() + line)
    assert read(tmp_path) == ids(batches)


def framed(content: Any, rows: int = 2) -> bytes:
    """A line with the right check sum, whatever it holds."""
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return b"%08x %08x %08x %s\n" % (crc32(text), len(text), rows, text)


def changed(place: tuple[int | str, ...], value: Any) -> bytes:
    """A lot's line with one value that no database takes."""
    document = json.loads(lots(1)[0].to_json())
    parent = document
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    return framed(document)


WRONG = [
    framed(b"[1, 2"),
    framed(b"\xff\xfe"),
    framed({}),
    framed([]),
    framed([[], {}, [], {}], 1),
    framed(lots(1)[0].to_json(), 3),
    changed((0, 0), None),
    changed((0, 0, 0), "short"),
    changed((0, 0, 1), "k" * 65),
    changed((0, 0, 2), 2**63),
    changed((0, 0, 2), "1"),
    changed((0, 0, 3), {"a": 1}),
    changed((0, 0, 3), "a\0b"),
    changed((1,), [1]),
    changed((2, 0, 3), True),
    changed((3, "records"), []),
    changed((3, "hourly_decisions", 0, 0), "x"),
    changed((3, "hourly_decisions", 0), [1, 2]),
]


@pytest.mark.parametrize("line", WRONG, ids=range(len(WRONG)))
def test_a_whole_line_that_is_no_lot_is_put_aside_and_stops_none_behind_it(
    tmp_path: Path, line: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    path, batches = spooled(tmp_path, 2)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(line + first + line + second)
    lost: list[int] = []
    assert read(tmp_path, lost.append) == ids(batches)
    (aside,) = tmp_path.iterdir()
    assert aside.read_bytes() == line * 2
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert lost == [int(line[18:26], 16)] * 2
    assert caplog.text.count(aside.name) == 2


def test_what_was_put_aside_is_read_again_under_its_old_name(tmp_path: Path) -> None:
    path, batches = spooled(tmp_path, 1)
    path.rename(path.with_suffix(".aside"))
    assert read(tmp_path) == []
    path.with_suffix(".aside").rename(path)
    assert read(tmp_path) == ids(batches)


def test_a_recorder_counts_what_was_put_aside_and_writes_the_rest(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ADOPT_S", 0.05)
    path, batches = spooled(tmp_path / "spool", 1)
    path.write_bytes(framed({}, 5) + path.read_bytes())
    counts = RecordCounts()
    record = recorder(tmp_path, database, counts)
    until(lambda: counts.rows["written"] == 2)
    assert (record.state, counts.rows["lost"]) == ("on", 5)
    record.close()
    assert [body["id"] for body in bodies(database)] == ids(batches)
