"""What was spooled is read again, in its order, whatever happened to the file's end."""

import fcntl
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from recording import batch

from service.record.keys import Keys
from service.record.lot import Lot, make
from service.record.spool import Spool

KEYS = Keys(bytes(32))


def lots(number: int) -> list[Lot]:
    return [make([batch(2, seed, gender="Men")], KEYS) for seed in range(number)]


def ids(found: list[Lot]) -> list[str]:
    return [event.id for lot in found for event in lot.events]


def spooled(folder: Path, number: int) -> tuple[Path, list[Lot]]:
    """A file that a process left."""
    spool, told = Spool(folder), lots(number)
    for lot in told:
        spool.append(lot)
    spool.close()
    return next(folder.iterdir()), told


def read(folder: Path) -> list[str]:
    """All that is there, as a new process takes it over."""
    spool, found = Spool(folder), []
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
    spool, told = Spool(tmp_path), lots(3)
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
    living, other, told = Spool(tmp_path), Spool(tmp_path), lots(1)
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

    monkeypatch.setattr("service.record.spool.fcntl.flock", after_somebody)
    spool, told = Spool(tmp_path), lots(1)
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
    spool, told = Spool(tmp_path), lots(4)
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
    "line", [b"00000000 ffffffff 00000001 ", b"0 ffffffffffffffffffffff 0 ", b"00000000 0000000a -0000001 ", b"0" * 27]
)
def test_a_head_that_lies_takes_no_memory_and_stops_nothing(tmp_path: Path, line: bytes) -> None:
    path, told = spooled(tmp_path, 2)
    path.write_bytes(line + b"\n" + path.read_bytes() + line)
    assert read(tmp_path) == ids(told)
