"""Verifies bearer tokens (JWT, as of OpenID Connect) with PyJWT and public keys in a local file.

The service fetches no address, neither the issuer's nor one that a token names (``jku``, ``x5u``), and never
uses a key that a token contains (``jwk``).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evenhand.service.auth.key_file import AccessError
from evenhand.service.auth.policy import SCOPES
from evenhand.service.auth.reloadable_file import ReloadableFile

if TYPE_CHECKING:
    from jwt import PyJWK

log = logging.getLogger(__name__)
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Asymmetric algorithms only: a service that can verify tokens must not be able to issue them."""
LEEWAY_S = 30
"""Allowed difference between the issuer's clock and ours."""
MAX_FILE_BYTES = 2**20
MAX_SUBJECT = 200


@dataclass(frozen=True, slots=True)
class Bearer:
    """Subject and scopes of a token."""

    subject: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class TokenRule:
    """What a token must be."""

    path: Path
    """File with a JSON Web Key Set, one of whose keys verifies it."""
    issuer: str
    audience: str
    claim: str
    """The claim that holds its scopes: a text separated by spaces, or a list."""
    lifetime_s: int
    """A token that is good for longer from now is refused."""


class TokenVerifier:
    """Verifies tokens.

    Args:
        rule: What a token must be.
        watch: Is called with 1 while the file cannot be read, else 0.

    Raises:
        AccessError: the library is not installed, or the file cannot be used.
    """

    def __init__(self, rule: TokenRule, watch: Callable[[int], None]) -> None:
        try:
            import jwt
        except ImportError:
            raise AccessError("tokens need PyJWT: install evenhand with the extra jwt") from None
        self._jwt = jwt
        self._rule = rule
        self._keys = ReloadableFile(rule.path, read_key_set, read_key_set_again, watch)

    def verify(self, token: str, now_s: float) -> Bearer | None:
        """Subject and scopes of a token; ``None`` if it is not valid.

        Args:
            token: The token in compact form.
            now_s: Time of the monotonic clock.
        """
        try:
            key = _choose(self._keys.get(now_s).keys, self._jwt.get_unverified_header(token))
            if key is None:
                return None
            claims = self._jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                audience=self._rule.audience,
                issuer=self._rule.issuer,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except (self._jwt.PyJWTError, ValueError, TypeError, ArithmeticError, RecursionError) as error:
            log.debug("a token is not valid: %s", type(error).__name__)
            return None
        if claims["exp"] - time.time() > self._rule.lifetime_s + LEEWAY_S:
            log.warning(
                "a token is good for more than EVENHAND_JWT_LIFETIME_S=%d seconds and was refused",
                self._rule.lifetime_s,
            )
            return None
        return Bearer(str(claims["sub"])[:MAX_SUBJECT], _scopes(claims.get(self._rule.claim)))


@dataclass(frozen=True, slots=True)
class KeySet:
    """The issuer's public signing keys."""

    keys: tuple[PyJWK, ...] = ()
    problems: tuple[str, ...] = ()
    """Why the file cannot be read, in a sentence."""


def read_key_set_again(path: Path, before: KeySet) -> KeySet:
    """What a file says that has changed; where it cannot be read every key of it counts as revoked."""
    try:
        return read_key_set(path)
    except AccessError as error:
        return KeySet((), (f"{error}. Until then no token counts",))


def read_key_set(path: Path) -> KeySet:
    """Every public signing key of a file.

    Raises:
        AccessError: the file is no JSON Web Key Set, or holds a key that cannot be used.
    """
    from jwt import PyJWK, PyJWTError

    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
        entries = json.loads(content)["keys"] if len(content) <= MAX_FILE_BYTES else ()
        keys = tuple(PyJWK.from_dict(one) for one in entries if one.get("use", "sig") == "sig")
        is_private = any("d" in one for one in entries)
    except OSError as error:
        raise AccessError(
            f"{path}: {error.strerror}; put the issuer's key set (its jwks_uri) there"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, PyJWTError) as error:
        raise AccessError(f"{path}: not a usable JSON Web Key Set ({type(error).__name__})") from None
    names = [key.key_id for key in keys]
    if not keys or is_private or any(key.algorithm_name not in ALGORITHMS for key in keys):
        raise AccessError(f"{path}: needs public signing keys of {', '.join(ALGORITHMS)}, and no others")
    if len(keys) > 1 and (None in names or len(set(names)) < len(names)):
        raise AccessError(f"{path}: where there are several keys each needs a kid of its own")
    return KeySet(keys)


def _choose(keys: tuple[PyJWK, ...], header: dict[str, Any]) -> PyJWK | None:
    """The key that a token names; if it names none, the only key."""
    name = header.get("kid")
    if name is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.key_id == name), None)


def _scopes(claim: object) -> frozenset[str]:
    words = claim.split() if isinstance(claim, str) else claim if isinstance(claim, list) else ()
    return frozenset(scope for scope in SCOPES if scope in words)
