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
from recording import Told, batch, bodies, recorder
from waiting import until

from evenhand.service.audit import writer
from evenhand.service.audit.digest_keys import Keys
from evenhand.service.audit.record_batch import RecordBatch, make
from evenhand.service.audit.spool import Spool

KEYS = Keys(bytes(32))


def lots(number: int) -> list[RecordBatch]:
    return [make([batch(2, seed, gender="Men")], KEYS) for seed in range(number)]


def ids(found: list[RecordBatch]) -> list[str]:
    return [event.id for lot in found for event in lot.events]


def quiet(folder: Path) -> Spool:
    return Spool(folder, lambda _: None)


def spooled(folder: Path, number: int) -> tuple[Path, list[RecordBatch]]:
    """A file that a process left."""
    spool, told = quiet(folder), lots(number)
    for lot in told:
        spool.append(lot)
    spool.close()
    return next(folder.iterdir()), told


def read(folder: Path, lose: Callable[[int], None] = lambda _: None) -> list[str]:
    """All that is there, as a new process takes it over."""
    spool, found = Spool(folder, lose), list[str]()
    spool.adopt()
    while some := spool.oldest(3):
        found += ids(some)
        spool.drop()
    assert spool.rows == 0
    spool.close()
    return found


def test_lots_come_back_in_order_and_the_file_goes(tmp_path: Path) -> None:
    path, told = spooled(tmp_path, 5)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read(tmp_path) == ids(told)
    assert list(tmp_path.iterdir()) == []


def test_one_that_was_read_and_not_dropped_is_read_again(tmp_path: Path) -> None:
    spool, told = quiet(tmp_path), lots(3)
    for lot in told:
        spool.append(lot)
    assert ids(spool.oldest(2)) == ids(spool.oldest(2)) == ids(told[:1])
    spool.drop()
    spool.append(told[0])
    assert ids(spool.oldest(100)) == ids([*told[1:], told[0]])
    assert spool.rows == 6


def test_a_torn_end_costs_the_last_lot_alone(tmp_path: Path) -> None:
    path, told = spooled(tmp_path, 2)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    for cut in (0, 1, 20, 27, 500, len(whole) - first - 1):
        path.write_bytes(whole[: first + cut])
        assert read(tmp_path) == ids(told[:1])


def test_damage_costs_what_it_hit_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path, told = spooled(tmp_path, 3)
    whole = bytearray(path.read_bytes())
    whole[whole.index(b"\n") + 100] ^= 1
    path.write_bytes(whole)
    assert read(tmp_path) == ids([told[0], told[2]])
    assert "damaged" in caplog.text


def test_what_a_living_process_holds_is_left_to_it(tmp_path: Path) -> None:
    living, other, told = quiet(tmp_path), quiet(tmp_path), lots(1)
    living.append(told[0])
    other.adopt()
    assert other.rows == 0
    living.close()
    other.adopt()
    assert ids(other.oldest(10)) == ids(told)


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
    spool, told = quiet(tmp_path), lots(1)
    spool.append(told[0])
    spool.close()
    assert taken
    assert read(tmp_path) == ids(told)


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
    spool, told = quiet(tmp_path), lots(4)
    spool.append(told[0])
    size_bytes = os.stat(next(tmp_path.iterdir())).st_size
    with files_of_at_most(size_bytes + 100), pytest.raises(OSError, match="large"):
        spool.append(told[1])
    assert os.stat(next(tmp_path.iterdir())).st_size == size_bytes
    assert spool.rows == 2
    spool.append(told[2])
    assert ids(spool.oldest(100)) == ids([told[0], told[2]])
    spool.close()
    assert read(tmp_path) == ids([told[0], told[2]])


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
    path, told = spooled(tmp_path, 2)
    path.write_bytes(line + b"\n" + path.read_bytes() + line)
    assert read(tmp_path) == ids(told)


def framed(told: Any, rows: int = 2) -> bytes:
    """A line with the right check sum, whatever it holds."""
    text = told if isinstance(told, bytes) else json.dumps(told).encode()
    return b"%08x %08x %08x %s\n" % (crc32(text), len(text), rows, text)


def changed(place: tuple[int | str, ...], value: Any) -> bytes:
    """A lot's line with one value that no database takes."""
    told = json.loads(lots(1)[0].to_json())
    found = told
    for step in place[:-1]:
        found = found[step]
    found[place[-1]] = value
    return framed(told)


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
    path, told = spooled(tmp_path, 2)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(line + first + line + second)
    lost: list[int] = []
    assert read(tmp_path, lost.append) == ids(told)
    (aside,) = tmp_path.iterdir()
    assert aside.read_bytes() == line * 2
    assert stat.S_IMODE(aside.stat().st_mode) == 0o600
    assert lost == [int(line[18:26], 16)] * 2
    assert caplog.text.count(aside.name) == 2


def test_what_was_put_aside_is_read_again_under_its_old_name(tmp_path: Path) -> None:
    path, told = spooled(tmp_path, 1)
    path.rename(path.with_suffix(".aside"))
    assert read(tmp_path) == []
    path.with_suffix(".aside").rename(path)
    assert read(tmp_path) == ids(told)


def test_a_recorder_counts_what_was_put_aside_and_writes_the_rest(
    tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "ADOPT_S", 0.05)
    path, told = spooled(tmp_path / "spool", 1)
    path.write_bytes(framed({}, 5) + path.read_bytes())
    heard = Told()
    record = recorder(tmp_path, database, heard)
    until(lambda: heard.rows["written"] == 2)
    assert (record.state, heard.rows["lost"]) == ("on", 5)
    record.close()
    assert [body["id"] for body in bodies(database)] == ids(told)
