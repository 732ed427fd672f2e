"""Who may ask what, through the real application."""

import hmac
import json
import re
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi.testclient import TestClient
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from waiting import until

from evenhand.service.app import create_app
from evenhand.service.auth.key_file import AccessError, new_key
from evenhand.service.auth.policy import SCOPES, TABLE
from evenhand.service.settings import Settings

BODY = {"inputs": "a lovely day"}
ISSUER, AUDIENCE = "https://login.example.org", "evenhand"
INFER = "/v2/models/hate-speech/infer"
TENSORS = {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}
SHIELD = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guarded:
    """An application with a key of each scope, and tokens."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "keys"
        self.keys = {scope: new_key(self.file, f"only-{scope}", [scope], None) for scope in SCOPES}
        self.keys["slow"] = new_key(self.file, "slow", ["predict"], 1)
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.curve = ec.generate_private_key(ec.SECP256R1())
        public = json.loads(RSAAlgorithm.to_jwk(self.private.public_key())) | {"kid": "one"}
        other = json.loads(ECAlgorithm.to_jwk(self.curve.public_key())) | {"kid": "two"}
        self.jwks = folder / "jwks.json"
        self.jwks.write_text(json.dumps({"keys": [public, other]}))

    def settings(self, **more: object) -> dict[str, object]:
        tokens = {"jwt_jwks": self.jwks, "jwt_issuer": ISSUER, "jwt_audience": AUDIENCE}
        return {"keys_file": self.file, **tokens, **more}

    def token(self, header: dict[str, object] | None = None, key: object = None, **claims: object) -> str:
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "me", "exp": now + 60, "scope": "openid predict"}
        said = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(said, key or self.private, "RS256", {"kid": "one", **(header or {})})

    def headers(self, scope: str) -> dict[str, str]:
        return {"authorization": f"Bearer {self.keys[scope]}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Guarded:
    return Guarded(tmp_path_factory.mktemp("access"))


@pytest.fixture(scope="module")
def locked(demo: Path, guarded: Guarded, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    more = guarded.settings(max_body_bytes=4096, cors_origins="https://tool.example.org")
    settings = Settings(bundles=(demo,), state=tmp_path_factory.mktemp("state"), **more)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="module")
def opened(demo: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    settings = Settings(bundles=(demo,), state=tmp_path_factory.mktemp("state"), host="0.0.0.0", open=True)
    with TestClient(create_app(settings), raise_server_exceptions=False) as client:
        yield client


def counted(client: TestClient, result: str, key: str) -> float:
    text = client.get("/metrics", headers={"x-api-key": key}).text
    match = re.search(rf'^evenhand_auth_total{{result="{result}"}} (\S+)$', text, re.MULTILINE)
    assert match
    return float(match[1])


def by_secret(claims: object, secret: bytes) -> str:
    """A token signed with a public key as if it were a secret; the library itself refuses to make one."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT", "kid": "one"}, claims)]
    signed = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    return (signed + b"." + urlsafe_b64encode(hmac.digest(secret, signed, "sha256")).rstrip(b"=")).decode()


def fill(template: str) -> str:
    return (
        re.sub(r"{(model|name)}", "hate-speech", template).replace("{version}", "1.0.0").replace("{id}", "x")
    )


def test_every_route_has_a_rule_and_every_rule_a_route(locked: TestClient) -> None:
    described = locked.get("/openapi.json").json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in described.items() for method in methods}
    hidden = {"GET /dashboard", "GET /docs", "GET /openapi.json"}
    assert routes | hidden == set(TABLE)


def test_the_description_says_what_each_route_needs(locked: TestClient) -> None:
    described = locked.get("/openapi.json").json()
    assert set(described["components"]["securitySchemes"]) == {"bearer", "key"}
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            scopes = TABLE[f"{method.upper()} {path}"].split()
            assert operation.get("security", []) == ([{"bearer": scopes}, {"key": scopes}] if scopes else [])
            listed = {"401", "403", "429"} <= set(operation["responses"])
            assert listed or "4XX" in operation["responses"] or not scopes, path


@pytest.mark.parametrize("route", sorted(TABLE))
def test_a_route_is_open_or_takes_the_keys_of_its_scopes_alone(
    locked: TestClient, guarded: Guarded, route: str
) -> None:
    method, template = route.split()
    allowed = TABLE[route].split()
    bare = locked.request(method, fill(template), json={} if method != "GET" else None)
    if not allowed:
        assert bare.status_code == 200
        return
    assert bare.status_code == 401
    for scope in SCOPES:
        body = {} if method != "GET" else None
        reply = locked.request(method, fill(template), json=body, headers=guarded.headers(scope))
        assert (reply.status_code not in (401, 403)) == (scope in allowed), scope
        if scope not in allowed:
            assert reply.headers["www-authenticate"].endswith(f'scope="{" ".join(allowed)}"')


def test_errors_have_the_shape_of_their_protocol(locked: TestClient, guarded: Guarded) -> None:
    reply = locked.post("/predict", json=BODY)
    assert (reply.status_code, reply.headers["www-authenticate"]) == (401, 'Bearer realm="evenhand"')
    assert reply.json()["error"]["type"] == "unauthorized"
    assert reply.headers["x-request-id"]
    wrong = locked.post("/predict", json=BODY, headers={"x-api-key": "evenhand_nobody"})
    assert wrong.headers["www-authenticate"] == 'Bearer realm="evenhand", error="invalid_token"'
    assert "nobody" not in wrong.text
    lacking = locked.post("/predict", json=BODY, headers=guarded.headers("feedback")).json()["error"]
    assert (lacking["type"], lacking["detail"]) == ("forbidden", {"scopes": ["predict"]})
    assert locked.post(INFER, json=TENSORS).json() == {"error": reply.json()["error"]["message"]}
    assert locked.post(INFER, json=TENSORS, headers=guarded.headers("predict")).status_code == 200


def test_what_exists_is_told_to_nobody_without_a_key(locked: TestClient, guarded: Guarded) -> None:
    paths = [
        "/predict",
        "/nothing",
        "/models/hate-speech",
        "/models/other/mode",
        "/predict%0A",
        "//predict",
    ]
    bare = {(reply.status_code, reply.text) for reply in map(locked.get, paths)}
    assert len(bare) == 1
    assert bare.pop()[0] == 401
    headers = guarded.headers("predict")
    assert locked.get("/predict", headers=headers).status_code == 405
    assert locked.get("/nothing", headers=headers).status_code == 404
    assert locked.delete("/models/hate-speech/mode", headers=headers).status_code == 405


@pytest.mark.parametrize(
    "path", ["/predict%0A", "//predict", "/predict/", "/PREDICT", "/predict;a", "/%2fpredict"]
)
@pytest.mark.parametrize("name", ["locked", "opened"])
def test_no_spelling_of_a_path_leads_past_its_rule(
    request: pytest.FixtureRequest, name: str, path: str
) -> None:
    client: TestClient = request.getfixturevalue(name)
    assert client.post(path, json=BODY, follow_redirects=False).status_code in (401, 404)


async def test_a_stranger_is_refused_before_the_body_is_read(locked: TestClient) -> None:
    sent = []

    async def receive() -> dict[str, object]:
        raise AssertionError("the body was asked for")

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"content-length", b"1000000")]
    scope = {"type": "http", "method": "POST", "path": "/predict", "headers": headers, "query_string": b""}
    await locked.app(scope, receive, send)  # type: ignore[arg-type]
    assert sent[0]["status"] == 401


def test_a_key_that_is_used_too_often_waits(locked: TestClient, guarded: Guarded) -> None:
    before = counted(locked, "limited", guarded.keys["metrics"])
    replies = [locked.post("/predict", json=BODY, headers=guarded.headers("slow")) for _ in range(6)]
    late = [reply for reply in replies if reply.status_code == 429]
    assert replies[0].status_code == 200
    assert late
    assert late[0].json()["error"]["type"] == "rate_limited"
    assert late[0].headers["retry-after"] == "1"
    assert counted(locked, "limited", guarded.keys["metrics"]) == before + len(late)
    assert locked.post("/predict", json=BODY, headers=guarded.headers("predict")).status_code == 200


def test_what_happens_is_counted_and_no_key_is_logged(
    locked: TestClient, guarded: Guarded, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    caplog.set_level("DEBUG", logger="evenhand")
    metrics = guarded.keys["metrics"]
    before = {result: counted(locked, result, metrics) for result in ("missing", "invalid", "forbidden")}
    shown = "evenhand_" + "s3cr3t" * 7
    token = guarded.token(key=rsa.generate_private_key(public_exponent=65537, key_size=2048))
    locked.get("/fairness")
    locked.get("/fairness", headers={"x-api-key": shown})
    locked.get("/fairness", headers={"x-api-key": token})
    locked.get("/fairness", headers=guarded.headers("predict"))
    url = "/models/hate-speech/mode"
    done = locked.put(url, json={"mode": "shadow"}, headers=guarded.headers("admin"))
    assert done.status_code == 200
    after = {result: counted(locked, result, metrics) - was for result, was in before.items()}
    assert after == {"missing": 1, "invalid": 2, "forbidden": 1}
    assert "PUT /models/{name}/mode by key only-admin" in caplog.text
    assert not any(secret in caplog.text for secret in (shown, token, *guarded.keys.values()))
    assert not any(
        secret in locked.get("/metrics", headers=guarded.headers("metrics")).text for secret in (shown,)
    )


def test_the_access_log_names_the_key_and_no_stranger(
    open_client: Callable[..., TestClient], demo: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="evenhand")
    file = tmp_path / "keys"
    headers = {"x-api-key": new_key(file, "app", ["predict"], None)}
    client = open_client(demo, keys_file=file, access_log="all")
    client.get("/fairness")
    client.get("/fairness", headers={"x-api-key": "evenhand_wrong"})
    client.get("/fairness", headers=headers)
    client.get("/models", headers=headers)
    records = [record for record in caplog.records if record.name.endswith("access_log")]
    assert [(each.facts["route"], each.facts["status"], each.facts["caller"]) for each in records] == [
        ("/fairness", 401, "nobody"),
        ("/fairness", 401, "nobody"),
        ("/fairness", 403, "key app"),
        ("/models", 200, "key app"),
    ]


def test_the_file_of_keys_is_followed(
    open_client: Callable[..., TestClient], demo: Path, tmp_path: Path
) -> None:
    file = tmp_path / "keys"
    first = new_key(file, "first", ["predict"], None)
    watcher = new_key(file, "watcher", ["metrics"], None)
    client = open_client(demo, keys_file=file)

    def problems() -> float:
        text = client.get("/metrics", headers={"x-api-key": watcher}).text
        return float(re.search(r'^evenhand_access_file_problems{file="keys"} (\S+)$', text, re.MULTILINE)[1])

    def status(key: str) -> int:
        return client.post("/predict", json=BODY, headers={"x-api-key": key}).status_code

    def wait_for(key: str, expected: int) -> None:
        until(lambda: status(key) == expected)

    assert status(first) == 200
    second = new_key(file, "second", ["predict"], None)
    wait_for(second, 200)
    assert problems() == 0
    good = file.read_text()
    kept = "\n".join(line for line in good.splitlines() if not line.startswith("first"))
    # The edit that revokes a key also breaks a line: neither of both counts, and it shows.
    file.write_text(kept.replace("second predict", "second predct"))
    wait_for(first, 401)
    assert status(second) == 401
    assert problems() == 1
    file.write_text(kept)
    wait_for(second, 200)
    assert status(first) == 401
    assert problems() == 0
    file.unlink()
    wait_for(second, 401)


@pytest.mark.parametrize(
    ("status", "header", "claims"),
    [
        (200, {}, {}),
        (200, {"jku": "http://127.0.0.1:9/keys"}, {}),
        (200, {}, {"scope": ["predict"]}),
        (200, {}, {"aud": ["other", AUDIENCE]}),
        (403, {}, {"scope": "feedback predictx"}),
        (403, {}, {"scope": None}),
        (403, {}, {"scope": {"predict": True}}),
        (401, {}, {"exp": 1}),
        (401, {}, {"exp": None}),
        (401, {}, {"nbf": 2**40}),
        (401, {}, {"iss": "https://other.example.org"}),
        (401, {}, {"iss": None}),
        (401, {}, {"aud": "another"}),
        (401, {}, {"aud": None}),
        (401, {}, {"sub": None}),
        (401, {"kid": "two"}, {}),
        (401, {"kid": "three"}, {}),
        (401, {"crit": ["b64"], "b64": True}, {}),
    ],
)
def test_a_token_holds_or_does_not(
    locked: TestClient, guarded: Guarded, status: int, header: dict[str, object], claims: dict[str, object]
) -> None:
    token = guarded.token(header, **claims)
    assert (
        locked.post("/predict", json=BODY, headers={"authorization": f"Bearer {token}"}).status_code == status
    )


def test_a_token_by_another_key_or_none_does_not_hold(locked: TestClient, guarded: Guarded) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    own = json.loads(RSAAlgorithm.to_jwk(stranger.public_key()))
    claims = jwt.decode(guarded.token(), options={"verify_signature": False})
    public = guarded.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = [
        guarded.token(key=stranger),
        guarded.token({"jwk": own}, stranger),
        jwt.encode(claims, "", "none", {"kid": "one"}),
        by_secret(claims, public),
        by_secret(claims, guarded.jwks.read_bytes()),
        guarded.token()[:-4] + "AAAA",
        "a.b.c",
        "..",
    ]
    for token in forged:
        reply = locked.post("/predict", json=BODY, headers={"authorization": f"Bearer {token}"})
        assert reply.status_code == 401, token
    mixed = jwt.encode(claims, guarded.curve, "ES256", {"kid": "two"})
    assert locked.post("/predict", json=BODY, headers={"authorization": f"Bearer {mixed}"}).status_code == 200


def test_listening_to_others_without_keys_is_refused(demo: Path, guarded: Guarded) -> None:
    for host in ("0.0.0.0", "::", "10.0.0.1", "evenhand.example.org"):
        with pytest.raises(AccessError, match="EVENHAND_KEYS_FILE"):
            create_app(Settings(bundles=(demo,), host=host))
    with pytest.raises(AccessError, match="jwt_audience"):
        create_app(Settings(bundles=(demo,), jwt_jwks=guarded.jwks))
    with pytest.raises(AccessError, match="jwt_jwks"):
        create_app(Settings(bundles=(demo,), jwt_issuer=ISSUER))
    with pytest.raises(AccessError, match="evenhand key new"):
        create_app(Settings(bundles=(demo,), keys_file=Path("nowhere")))


def test_without_keys_others_may_predict_and_change_nothing(opened: TestClient) -> None:
    assert opened.post("/predict", json=BODY).status_code == 200
    assert opened.get("/fairness").status_code == 200
    for route in (route for route, scopes in TABLE.items() if scopes in ("admin", "feedback", "decisions")):
        method, template = route.split()
        reply = opened.request(method, fill(template), json={"mode": "off"})
        assert (reply.status_code, reply.json()["error"]["type"]) == (403, "admin_off"), route


def test_on_this_machine_admin_routes_need_no_key(client: TestClient) -> None:
    url, body = "/models/hate-speech/mode", {"mode": "off"}
    for origin in ("http://127.0.0.1:8000", "http://localhost:8000", "http://[::1]"):
        assert client.put("/models/none/mode", json=body, headers={"origin": origin}).status_code == 404
    for origin in ("http://evil.example.org", "http://evil.example.org:8000", "null", "http://[", ""):
        reply = client.put(url, json=body, headers={"origin": origin})
        assert (reply.status_code, reply.json()["error"]["type"]) == (403, "admin_off"), origin
    proxied = client.put("/models/none/mode", json=body, headers={"x-forwarded-for": "127.0.0.1"})
    assert proxied.status_code == 403
    for header in ("x-real-ip", "x-forwarded-proto", "cf-connecting-ip", "x-envoy-external-address", "via"):
        assert client.put("/models/none/mode", json=body, headers={header: "1"}).status_code == 403, header


@pytest.mark.parametrize(
    ("address", "host", "status"),
    [
        ("127.0.0.1:8000", "localhost:8000", 200),
        ("127.0.0.1:8000", "127.0.0.1:8000", 200),
        ("[::1]:8000", "[::1]:8000", 200),
        ("127.0.0.1:8000", "rebind.evil.example:8000", 403),
        ("127.0.0.1:8000", "public.example.org", 403),
        ("127.0.0.1:8000", "10.0.0.1:8000", 403),
        ("127.0.0.1:8000", "localhost.evil.example", 403),
        ("127.0.0.1:8000", "[", 403),
        # A server that somebody starts with another address than the settings know.
        ("10.0.0.1:8000", "localhost:8000", 403),
        ("10.0.0.1:8000", "10.0.0.1:8000", 403),
    ],
)
def test_without_keys_only_this_machine_by_its_own_name_is_answered(
    client: TestClient, address: str, host: str, status: int
) -> None:
    caller = TestClient(client.app, base_url=f"http://{address}", headers={"host": host})
    assert caller.get("/models").status_code == caller.get("/fairness").status_code == status
    assert caller.get("/healthz").status_code == caller.get("/docs").status_code == 200
    if status == 403:
        for path in ("/predict", "/feedback", "/v2/models/hate-speech/infer"):
            refused = caller.post(path, json=BODY)
            assert refused.status_code == 403, path
        assert "EVENHAND_KEYS_FILE" in caller.get("/models").json()["error"]["message"]


@pytest.mark.parametrize(
    "path", ["/healthz", "/docs", "/nothing", "/fairness", "/metrics", "/dashboard", "/v2"]
)
@pytest.mark.parametrize("name", ["locked", "client"])
def test_every_answer_has_headers_against_misuse(
    request: pytest.FixtureRequest, name: str, path: str
) -> None:
    reply = request.getfixturevalue(name).get(path)
    expected = SHIELD | ({"cache-control": "no-cache"} if path == "/dashboard" else {})
    assert {header: reply.headers[header] for header in expected} == expected
    assert "frame-ancestors 'none'" in reply.headers["content-security-policy"]
    assert len(reply.headers.get_list("content-security-policy")) == 1


def test_only_listed_sites_may_ask_from_a_browser(
    locked: TestClient, client: TestClient, guarded: Guarded
) -> None:
    good = {"origin": "https://tool.example.org"}
    asks = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type",
    }
    allowed = locked.options("/predict", headers={**good, **asks})
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == good["origin"]
    assert allowed.headers["x-content-type-options"] == "nosniff"
    response = locked.post("/predict", json=BODY, headers={**good, **guarded.headers("predict")})
    assert response.headers["access-control-allow-origin"] == good["origin"]
    assert "access-control-allow-credentials" not in response.headers
    for origin in ("https://evil.example.org", "https://tool.example.org.evil.example", "null"):
        for one in (locked, client):
            refused = one.options("/predict", headers={"origin": origin, **asks})
            assert refused.status_code in (400, 405)
            assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-origin" not in client.get("/healthz", headers=good).headers
