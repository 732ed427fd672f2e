"""Health that tells the truth, and what is served."""

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from fastapi.testclient import TestClient
from waiting import until

from evenhand.models.bundle.bundle import read_manifest
from evenhand.service.app import create_app
from evenhand.service.settings import Settings

VERSIONS = ("", "/versions/{version}")


def test_healthy_and_ready(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_not_ready_before_the_start_and_while_stopping(demo: Path) -> None:
    app = create_app(Settings(bundles=(demo,)))
    early = TestClient(app)
    reply = early.get("/readyz")
    assert reply.status_code == 503
    assert "has not been started" in reply.json()["error"]["message"]
    with TestClient(app) as running:
        assert running.get("/readyz").status_code == 200
        app.state.running.draining = True
        assert running.get("/readyz").json()["error"]["message"] == "the service is stopping"
        assert running.get("/healthz").status_code == 200


def test_a_failed_engine_thread_shows_and_is_replaced(demo: Path) -> None:
    app = create_app(Settings(bundles=(demo,), lanes=1, threads=1))
    with TestClient(app) as running:
        workers = app.state.running.workers
        (worker,) = workers._workers
        worker.failed = True  # it ends at its next look for work
        workers.wake()
        worker.join()
        reply = running.get("/readyz")
        assert reply.status_code == 503
        assert "thread failed" in reply.json()["error"]["message"]
        assert running.get("/healthz").status_code == 200
        assert running.get("/v2/health/ready").status_code == 503
        until(lambda: running.get("/readyz").status_code == 200)
        assert running.post("/predict", json={"inputs": "a"}).status_code == 200


def test_a_canary_that_fails_shows_and_its_recovery_too(demo: Path) -> None:
    app = create_app(Settings(bundles=(demo,), lanes=1, threads=1))
    with TestClient(app) as running:
        (slot,) = app.state.running.registry.slots
        engine, worker = slot.model.engine, app.state.running.workers._workers[0]
        scores, engine._canary = (
            engine._canary[1],
            (engine._canary[0], engine._canary[1].__class__(*[1e9] * 5)),
        )
        worker.idle_since_s = -1e9
        app.state.running.workers.wake()
        until(lambda: running.get("/readyz").status_code == 503)
        assert "canary" in running.get("/readyz").json()["error"]["message"]
        engine._canary = (engine._canary[0], scores)
        until(lambda: running.get("/readyz").status_code == 200)


def test_models_say_what_their_manifest_says(two_models: TestClient, demo: Path) -> None:
    manifest, digest = read_manifest(demo)
    listed = {model["name"]: model for model in two_models.get("/models").json()["models"]}
    assert set(listed) == {manifest.name, "other"}
    entry = listed[manifest.name]
    assert entry["bundle"] == digest
    assert entry["labels"] == manifest.labels
    assert entry["certified"] is manifest.certified
    assert [a["name"] for a in entry["attributes"]] == manifest.attribute_names
    assert {a["mode"] for a in listed["other"]["attributes"]} == {"off"}
    assert entry["providers"] == ["CPUExecutionProvider"]
    assert set(entry["evaluation"]) == {"val", "test"}


def test_the_documentation_names_every_route_and_field(client: TestClient) -> None:
    spec = client.get("/openapi.json").json()
    roles = {f"/models/{{name}}/{what}" for what in ("mode", "shadow", "promote", "reload")}
    v2 = {"/v2", "/v2/health/live", "/v2/health/ready"}
    v2 |= {f"/v2/models/{{model}}{version}{end}" for version in VERSIONS for end in ("", "/ready", "/infer")}
    record = {
        "/feedback",
        "/decisions",
        "/decisions/{id}",
        "/decisions/{id}/override",
        "/fairness",
        "/fairness/trend",
    }
    own = {"/predict", "/healthz", "/readyz", "/models", "/metrics", "/log-level"}
    assert set(spec["paths"]) == {*own, *v2, *roles, *record}
    assert "HTTPValidationError" not in str(spec)
    bodies = spec["paths"]["/v2/models/{model}/infer"]["post"]["requestBody"]["content"]
    assert set(bodies["application/json"]["schema"]["properties"]) == {
        "id",
        "parameters",
        "inputs",
        "outputs",
    }
    assert "application/octet-stream" in bodies
    assert "HTTPValidationError" not in str(spec["paths"]["/predict"]["post"]["responses"]["422"])
    assert set(spec["components"]["schemas"]["PredictRequest"]["properties"]) == {
        "inputs",
        "model",
        "groups",
        "mode",
        "ids",
    }


def test_the_page_of_the_interface_is_whole_and_needs_no_other_host(client: TestClient) -> None:
    reply = client.get("/docs")
    assert reply.headers["content-type"].startswith("text/html")
    assert "default-src 'none'; style-src 'sha256-" in reply.headers["content-security-policy"]
    page, spec = reply.text, client.get("/openapi.json").json()
    assert "//" not in page.replace("https://tool.example.org", "")
    assert "<script" not in page
    for path, methods in spec["paths"].items():
        for method in methods:
            assert f"<code>{method.upper()} {path}</code></h2>" in page
    links, places = set(re.findall(r'href="#([^"]+)"', page)), re.findall(r'id="([^"]+)"', page)
    assert links <= set(places)
    assert len(places) == len(set(places))
    assert set(spec["components"]["schemas"]) <= set(places)
    (style,) = re.findall("<style>(.*?)</style>", page, re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in reply.headers["content-security-policy"]
