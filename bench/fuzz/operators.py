"""Targets that read files of operators, issuers and workers: keys, key sets, tokens, orders, bundles."""

from __future__ import annotations

import atexit
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm
from prometheus_client import CollectorRegistry

from bench import prepare
from bench.fuzz.target import VALUE, Target, folder, mutated
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import BundleError
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.runtime_onnx import Session
from evenhand.service.auth.jwt import TokenRule, TokenVerifier, read_key_set
from evenhand.service.auth.key_file import AccessError, new_key, read_keys
from evenhand.service.catalog.loader import Loader
from evenhand.service.catalog.operator import Control
from evenhand.service.catalog.registry import Roles
from evenhand.service.catalog.reload import load_all
from evenhand.service.inference.engine import Engine
from evenhand.service.inference.workers import Workers
from evenhand.service.metrics.collectors import Metrics
from evenhand.service.settings import Settings

SUPPORT = Path(__file__).parents[2] / "tests/support"
ISSUER, AUDIENCE = "issuer", "audience"
ALGORITHMS = ("RS256", "ES256", "EdDSA")
"""Of the keys that :func:`_key_sets` makes, in their order."""


def _place() -> Path:
    place = Path(tempfile.mkdtemp(prefix="evenhand-fuzz-"))
    atexit.register(shutil.rmtree, place)
    return place


def _control() -> Target:
    """Orders that workers share: whatever a file holds, every model keeps a loaded version."""
    file = _place() / "control.json"
    workers, metrics = Workers(1, lambda: None, stall_s=10), Metrics(CollectorRegistry())
    registry = load_all([prepare.BUNDLE], Loader(Settings(threads=1, record="off"), workers, metrics))
    control = Control(registry, workers, metrics, lambda *_: None, file)
    name = registry.slots[0].model.manifest.name
    roles = Roles("1.0.0", None, {"race": "off", "gender": "shadow"})
    whole = {"log_level": "warning", "models": {name: asdict(roles)}}
    said = st.fixed_dictionaries(
        {"live": VALUE | st.just("1.0.0"), "shadow": VALUE, "modes": st.dictionaries(st.text(), VALUE)}
    )
    made = st.fixed_dictionaries(
        {"log_level": VALUE | st.just("info"), "models": VALUE | st.dictionaries(st.just(name), said | VALUE)}
    )

    def act(content: bytes) -> None:
        file.write_bytes(content)
        control._read()
        registry.modes(registry.get(name))
        registry.shadow_of(name)

    seed = json.dumps(whole).encode()
    inputs = mutated([seed]) | made.map(lambda order: json.dumps(order).encode())
    return Target(inputs, act, (), (seed,))


def _access() -> Target:
    file = _place() / "keys"
    for number, rate in enumerate((None, 0.5, 1e9)):
        new_key(file, f"key-{number}", ["predict", "audit"], rate)
    return folder(read_keys, {"keys": [file.read_bytes()]}, (AccessError,))


def _key_sets() -> list[bytes]:
    """One of each kind, and all together."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    key_sets = [
        json.loads(RSAAlgorithm.to_jwk(private.public_key())),
        json.loads(ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key())),
        json.loads(OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate().public_key())),
    ]
    named = [
        {**key, "kid": str(number), "alg": alg}
        for number, (key, alg) in enumerate(zip(key_sets, ALGORITHMS, strict=True))
    ]
    return [json.dumps({"keys": keys}).encode() for keys in (*([key] for key in named), named)]


def _jwks() -> Target:
    target = folder(read_key_set, {"jwks.json": _key_sets()}, (AccessError,))
    one = st.dictionaries(
        st.sampled_from(["kty", "kid", "use", "alg", "crv", "x", "y", "n", "e", "d", "k"]), VALUE
    )
    made = st.lists(one | VALUE, max_size=3).map(
        lambda keys: ("jwks.json", json.dumps({"keys": keys}).encode())
    )
    return Target(target.inputs | made, target.act, target.allowed, target.seeds, target.of_bytes)


class Forged(Exception):
    """A changed token was accepted."""


def _token() -> Target:
    """Tokens that were changed before or after signing: none may be accepted."""
    private = ed25519.Ed25519PrivateKey.generate()
    file = _place() / "jwks.json"
    file.write_text(json.dumps({"keys": [json.loads(OKPAlgorithm.to_jwk(private.public_key()))]}))
    tokens = TokenVerifier(TokenRule(file, ISSUER, AUDIENCE, "scope", 2**41), lambda _: None)
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "a", "exp": 2**40, "scope": "predict"}
    whole = jwt.encode(claims, private, "EdDSA")
    signed = st.fixed_dictionaries({}, optional={name: VALUE for name in (*claims, "nbf", "iat")}).map(
        lambda changes: jwt.PyJWS().encode(json.dumps({**claims, **changes}).encode(), private, "EdDSA")
    )

    def act(token: str | bytes) -> None:
        shown = token.decode("latin-1") if isinstance(token, bytes) else token
        bearer = tokens.verify(shown, time.monotonic())
        head_and_body, taken = whole.rpartition(".")[0], bearer is not None
        if taken and isinstance(token, bytes) and not shown.startswith(head_and_body + "."):
            raise Forged

    return Target(mutated([whole.encode()]) | signed, act, (), (whole.encode(),))


def _torch() -> Target:
    """A bundle of the torch engine with one broken file and its right digest."""
    sys.path.insert(0, str(SUPPORT))
    from tiny_model import write_tiny_bundle

    place = write_tiny_bundle(_place() / "tiny", "torch")
    manifest = json.loads((place / bundles.MANIFEST).read_bytes())
    names = bundles.model_files(bundles.read_manifest(place)[0])
    contents = {name: (place / name).read_bytes() for name in names}

    def act(file: tuple[str, bytes]) -> None:
        name, content = file
        hashes = {**manifest["files"], name: bundles.hash_bytes(content)}
        (place / name).write_bytes(content)
        (place / bundles.MANIFEST).write_text(json.dumps({**manifest, "files": hashes}))
        try:
            bundle = bundles.load(place)
            encoder = make_encoder(bundle.preprocess, bundle.manifest.input)
            Engine(bundle, encoder, Session(threads=1)).warm(4, 64)
        finally:
            (place / name).write_bytes(contents[name])

    headed = st.one_of([st.tuples(st.just(name), _headed(content)) for name, content in contents.items()])
    # What the loader makes a BundleError of.
    allowed = (BundleError, ValueError, RuntimeError)
    first = bundles.DETECTOR
    return Target(headed, act, allowed, (contents[first],), lambda content: (first, content))


def _headed(content: bytes) -> st.SearchStrategy[bytes]:
    """Changed anywhere; and, for a file of weights, in its header of sizes and offsets."""
    if content.startswith(b"{"):
        return mutated([content])
    end = 8 + int.from_bytes(content[:8], "little")
    heads = mutated([content[8:end]])
    sized = heads.map(lambda head: len(head).to_bytes(8, "little") + head + content[end:])
    return mutated([content]) | sized | mutated([content[:end]]).map(lambda head: head + content[end:])


TARGETS: dict[str, Callable[[], Target]] = {
    "control": _control,
    "access": _access,
    "jwks": _jwks,
    "token": _token,
    "torch": _torch,
}
"""By name; made at its first use."""
