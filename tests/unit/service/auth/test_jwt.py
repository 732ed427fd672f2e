"""Key sets that are taken and refused, and tokens that a stranger made up."""

import json
import time
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

from evenhand.service.auth.jwt import Bearer, TokenRule, TokenVerifier, read_key_set
from evenhand.service.auth.key_file import AccessError
from evenhand.service.auth.reloadable_file import LOOK_EVERY_S

PRIVATE = ed25519.Ed25519PrivateKey.generate()
OTHER = ed25519.Ed25519PrivateKey.generate()
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.sampled_from(["EdDSA", "none", "HS256", "RS256", ""]) | JSON},
    optional={"kid": JSON, "crit": JSON, "b64": JSON, "typ": JSON, "jwk": JSON, "zip": JSON},
)


def public(key: ed25519.Ed25519PrivateKey, **more: str) -> dict[str, Any]:
    return {**json.loads(OKPAlgorithm.to_jwk(key.public_key())), **more}


def write(path: Path, keys: object) -> Path:
    path.write_text(json.dumps({"keys": keys}))
    return path


def token(key: ed25519.Ed25519PrivateKey, **claims: Any) -> str:
    said = {"iss": "i", "aud": "a", "sub": "me", "exp": time.time() + 60, **claims}
    return jwt.encode(said, key, "EdDSA")


def encoded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> TokenVerifier:
    file = write(tmp_path_factory.mktemp("jwks") / "jwks.json", [public(PRIVATE)])
    return TokenVerifier(TokenRule(file, "i", "a", "roles", 3600), print)


@pytest.mark.parametrize(
    ("claim", "scopes"),
    [
        ("predict audit other", {"predict", "audit"}),
        (["predict", 1, None, {}], {"predict"}),
        ("predict,audit", set()),
        (7, set()),
        ({"predict": 1}, set()),
        (None, set()),
    ],
)
def test_scopes_come_from_the_claim_that_is_set(
    tokens: TokenVerifier, claim: object, scopes: set[str]
) -> None:
    bearer = tokens.verify(token(PRIVATE, roles=claim, scope="admin"), 0.0)
    assert bearer == Bearer("me", frozenset(scopes))


@pytest.mark.parametrize("exp", [float("inf"), float("nan"), "soon", 2**70, -1, [], None])
def test_an_end_that_is_no_time_is_refused(tokens: TokenVerifier, exp: object) -> None:
    said = {"iss": "i", "aud": "a", "sub": "me", "exp": exp}
    signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "EdDSA", "typ": "JWT"}, said))
    bearer = tokens.verify(f"{signed}.{encoded(PRIVATE.sign(signed.encode()))}", 0.0)
    assert bearer is None or exp == 2**70


@settings(deadline=None)
@given(header=HEADERS | JSON, payload=JSON, signature=st.binary(max_size=70))
def test_what_a_stranger_makes_up_never_holds_and_breaks_nothing(
    tokens: TokenVerifier, header: object, payload: object, signature: bytes
) -> None:
    parts = [encoded(json.dumps(part).encode()) for part in (header, payload)]
    assert tokens.verify(".".join([*parts, encoded(signature)]), 0.0) is None


@settings(deadline=None)
@given(st.text("abcXYZ019-_.=+/~", max_size=80))
def test_no_text_breaks_anything(tokens: TokenVerifier, text: str) -> None:
    assert tokens.verify(text, 0.0) is None


def test_deep_and_long_headers_are_refused(tokens: TokenVerifier) -> None:
    for header in (b"[" * 5000, b'{"alg":' * 1000, b'{"alg":' + b"9" * 5000 + b"}", b"\xff\xfe", b""):
        assert tokens.verify(f"{encoded(header)}.e30.AA", 0.0) is None


@pytest.mark.parametrize(
    "keys",
    [
        [],
        {},
        [1],
        [{}],
        [{"kty": "oct", "k": "c2VjcmV0"}],
        [{"kty": "OKP", "crv": "X25519", "x": "AA"}],
        [public(PRIVATE), public(OTHER)],
        [public(PRIVATE, kid="a"), public(OTHER, kid="a")],
        [public(PRIVATE, use="enc")],
        [json.loads(RSAAlgorithm.to_jwk(RSA))],
        [{"kty": "RSA", "n": "AQAB", "e": "AQAB", "alg": "RS1"}],
    ],
)
def test_a_key_set_that_cannot_be_used_is_refused(tmp_path: Path, keys: object) -> None:
    with pytest.raises(AccessError) as caught:
        read_key_set(write(tmp_path / "jwks.json", keys))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 100_000, b" " * (2**20 + 1)])
def test_a_file_that_is_no_key_set_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(content)
    with pytest.raises(AccessError):
        read_key_set(file)
    with pytest.raises(AccessError, match="jwks_uri"):
        read_key_set(tmp_path / "none")


def test_a_new_key_of_the_issuer_is_taken_up_and_the_old_one_let_go(tmp_path: Path) -> None:
    file = write(tmp_path / "jwks.json", [public(PRIVATE)])
    problems: list[int] = []
    tokens = TokenVerifier(TokenRule(file, "i", "a", "scope", 3600), problems.append)

    def hold(now_s: float) -> list[bool]:
        return [tokens.verify(token(key), now_s) is not None for key in (PRIVATE, OTHER)]

    assert hold(0.0) == [True, False]
    write(file, [public(OTHER)])
    assert hold(LOOK_EVERY_S) == [False, True]
    file.write_text("{")  # the edit that revokes a key may be wrong: then no key counts
    assert hold(2 * LOOK_EVERY_S) == [False, False]
    write(file, [public(OTHER)])
    assert hold(3 * LOOK_EVERY_S) == [False, True]
    assert problems == [0, 0, 1, 0]


@pytest.mark.parametrize(("left_s", "holds"), [(3500, True), (3700, False), (10**9, False), (2**80, False)])
def test_a_token_that_is_good_for_too_long_is_refused(
    tokens: TokenVerifier, caplog: pytest.LogCaptureFixture, left_s: int, holds: bool
) -> None:
    assert (tokens.verify(token(PRIVATE, exp=int(time.time()) + left_s), 0.0) is not None) == holds
    assert ("EVENHAND_JWT_LIFETIME_S=3600" in caplog.text) == (not holds)
