"""Hashes of the content of files, for keys of checkpoints: a path does not tell whether a file changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from evenhand.console import track
from evenhand.training.data.dataset import Rows

CHUNK_BYTES = 1 << 20


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and the content of all files under a folder, in the order of their names."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return files_hash((str(path.relative_to(folder)), path) for path in files)


def images_hash(rows: Rows) -> str | None:
    """SHA-256 over the content of all image files in the order of the rows; ``None`` for other inputs."""
    if not rows.items or not isinstance(rows.items[0], Path):
        return None
    return files_hash(("", path) for path in rows.items)


def files_hash(files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 over names and content.

    Args:
        files: The name of each file, independent of its folder, and its path.
    """
    states = ((name, path, path.stat()) for name, path in files)
    return _hash(tuple((name, path, state.st_size, state.st_mtime_ns) for name, path, state in states))


@lru_cache(maxsize=4)
def _hash(files: tuple[tuple[str, Path, int, int], ...]) -> str:
    """Read every file, once per process as long as no size and no modification time changes."""
    digest = sha256()
    total = sum(1 + size // CHUNK_BYTES for _, _, size, _ in files)
    for chunk in track(_chunks(files), total, "hashing files"):
        digest.update(chunk)
    return digest.hexdigest()


def _chunks(files: tuple[tuple[str, Path, int, int], ...]) -> Iterator[bytes]:
    """Name, size and content of each file; the size marks where one file ends and the next begins."""
    for name, path, size, _ in files:
        head = f"{name}\0{size}\0".encode()
        with path.open("rb") as file:
            yield head + file.read(CHUNK_BYTES)
            while chunk := file.read(CHUNK_BYTES):
                yield chunk
