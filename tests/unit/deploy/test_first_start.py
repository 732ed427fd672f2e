"""What compose runs first, into a folder of the test's own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from places import ROOT

from evenhand.service.auth.key_file import find, read_keys

SCRIPT = ROOT / "deploy/first_start.py"


def start(place: Path, program: Path) -> None:
    environment = {**os.environ, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run([sys.executable, SCRIPT, place], check=True, env=environment)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in ("secrets", "issued", "scrape"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The command, of this checkout."""
    file = tmp_path / "bin/evenhand"
    file.parent.mkdir()
    file.write_text(
        f"#!{sys.executable}\nimport sys\nsys.path.insert(0, {str(ROOT / 'src')!r})\n"
        "from evenhand.cli.main import main\nmain()\n"
    )
    file.chmod(0o755)
    return file


@pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other users, as root does in compose")
def test_secrets_are_made_once_and_each_is_its_owner_s_alone(place: Path, program: Path) -> None:
    (place / "secrets/keys.draft").write_text("of a start that was cut off")
    start(place, program)
    keys = read_keys(place / "secrets/keys").keys
    shown = {
        name: (place / name).read_text().strip()
        for name in ("issued/client", "issued/operator", "scrape/key")
    }
    matches = {name: find(keys, key) for name, key in shown.items()}
    scopes = {name: sorted(key.scopes) for name, key in matches.items() if key is not None}
    assert scopes == {
        "issued/client": ["feedback", "predict"],
        "issued/operator": ["admin", "audit"],
        "scrape/key": ["metrics"],
    }
    owners = {"secrets/keys": 10001, "secrets/pgpass": 10001, "scrape/key": 65534, "issued/client": 0}
    for name, owner in owners.items():
        assert ((place / name).stat().st_uid, (place / name).stat().st_mode & 0o777) == (owner, 0o600)
    before = {file: file.read_bytes() for file in place.rglob("*") if file.is_file()}
    start(place, program)
    assert {file: file.read_bytes() for file in place.rglob("*") if file.is_file()} == before


def test_compose_gives_each_service_its_own_secrets() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    mounts = {
        name: {volume.split(":")[0] for volume in service.get("volumes", ())}
        & {"secrets", "issued", "scrape"}
        for name, service in services.items()
    }
    assert mounts.pop("secrets") == {"secrets", "issued", "scrape"}
    assert mounts.pop("prometheus") == {"scrape"}
    assert {name for name, folders in mounts.items() if folders} <= {"evenhand", "evenhand-gpu", "database"}
    assert all(folders <= {"secrets"} for folders in mounts.values())
    config = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
    assert config["scrape_configs"][0]["authorization"]["credentials_file"] == "/scrape/key"
    assert services["evenhand"]["environment"]["EVENHAND_KEYS_FILE"] == "/secrets/keys"
