"""Bundles through the hub's real client, against a small hub of our own; a server takes one from there."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_hub import FakeHub, serving
from library_rows import FEATURES, fitted, people
from serving import Server

from evenhand import BundleError, BundleModel
from evenhand.library import hub as hubs

ROWS = people(50, seed=9)[FEATURES]


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    """The address is read when huggingface_hub is loaded, so commands run in processes of their own."""
    with serving() as (fake, address):
        monkeypatch.setenv("HF_ENDPOINT", address)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_TOKEN", "hf_of_nobody")
        monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
        yield fake


def evenhand(*arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "evenhand", *arguments], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def test_a_bundle_is_pushed_pulled_and_served_from_the_hub(hub: FakeHub, tmp_path: Path) -> None:
    classifier = fitted()
    folder = classifier.save(tmp_path / "bundle")
    name = evenhand("bundle", "push", str(folder), "hub:me/hiring").strip()
    assert name.startswith("hub:me/hiring@")
    assert hub.private == {"me/hiring": True}
    assert hub.repos["me/hiring"]["main"]["README.md"].startswith(b"---\nlibrary_name: evenhand")

    assert evenhand("bundle", "pull", name, str(tmp_path / "pulled")).strip() == name
    assert BundleModel.of(tmp_path / "pulled").bundle.sha256 == classifier.bundle_.bundle.sha256

    state = tmp_path / "state"
    command = (sys.executable, "-m", "evenhand", "serve", "hub:me/hiring", "--port", "PORT")
    server = Server(*command, EVENHAND_STATE=str(state))
    try:
        before = len(hub.requests)
        status, reply = server.get("/predict", {"inputs": ROWS.to_dict("records")})
        server.get("/predict", {"model": "hub:me/other", "inputs": ROWS.to_dict("records")})
        assert len(hub.requests) == before, "the service asked the hub for something"
    finally:
        server.stop()
    assert status == 200
    assert [of["label"] for of in reply["predictions"]] == classifier.predict(ROWS).tolist()
    assert (state / "hub" / "me--hiring" / name.partition("@")[2] / "manifest.json").is_file()


def test_what_is_on_the_hub_is_verified_before_it_gets_its_place(hub: FakeHub, tmp_path: Path) -> None:
    folder = fitted().save(tmp_path / "bundle")
    evenhand("bundle", "push", str(folder), "me/hiring")
    hub.commit("me/hiring", {"model.onnx": b"another graph"})
    said = evenhand("bundle", "pull", "hub:me/hiring", str(tmp_path / "pulled"), code=1)
    assert "content does not match its hash" in said
    assert not (tmp_path / "pulled").exists()
    said = evenhand("serve", "hub:me/hiring", code=2)
    assert "content does not match its hash" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("hub:me/none", "RepositoryNotFoundError"),
        ("hub:me", "expected hub:<owner>/<name>"),
        ("hub:me/../../etc", "expected hub:<owner>/<name>"),
    ],
)
def test_a_wrong_name_is_one_sentence(hub: FakeHub, tmp_path: Path, source: str, why: str) -> None:
    said = evenhand("bundle", "pull", source, str(tmp_path / "pulled"), code=1)
    assert why in said
    assert said.count("\n") == 1


def test_no_hub_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    said = evenhand("serve", "hub:me/hiring", code=2)
    assert "hub:me/hiring: " in said
    assert "Traceback" not in said


def test_only_a_whole_bundle_is_pushed(tmp_path: Path) -> None:
    folder = fitted().save(tmp_path / "bundle")
    (folder / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(BundleError, match="content does not match its hash"):
        hubs.push(folder, "me/hiring")
