"""Make the database's password and the service's keys, once: docker-compose.yml runs this before all else.

Only its user can read each file: /secrets is for the service (with the database's password), /scrape for
Prometheus, /issued for people.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

SERVICE, PROMETHEUS, ROOT = 10001, 65534, 0
"""Users of the images."""
KEYS = (
    ("client", "issued/client", ROOT, ("predict", "feedback")),
    ("operator", "issued/operator", ROOT, ("admin", "audit")),
    ("prometheus", "scrape/key", PROMETHEUS, ("metrics",)),
)


def write(path: Path, content: str, owner: int) -> None:
    """Write a file that only its owner can read."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        os.fchown(file.fileno(), owner, owner)
        file.write(content)


def make_password(folder: Path) -> None:
    """Make the database's password, and the file of it that its clients read."""
    word = folder / "password"
    if not word.exists():
        word.write_text(secrets.token_urlsafe(32))
    write(folder / "pgpass", f"database:5432:evenhand:evenhand:{word.read_text()}\n", SERVICE)


def make_keys(root: Path) -> None:
    """Make every key. The file of keys is written last, so an interrupted first start begins again."""
    keys, draft = root / "secrets/keys", root / "secrets/keys.draft"
    if keys.exists():
        return
    draft.unlink(missing_ok=True)
    for name, file, owner, scopes in KEYS:
        options = [word for scope in scopes for word in ("--scope", scope)]
        command = ("evenhand", "key", "new", name, "--file", draft, *options)
        key = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout  # noqa: S603
        write(root / file, key, owner)
    os.chown(draft, SERVICE, SERVICE)
    draft.rename(keys)


if __name__ == "__main__":
    place = Path(sys.argv[1] if len(sys.argv) > 1 else "/")
    make_password(place / "secrets")
    make_keys(place)
