"""Allows or refuses a request by the rule of its route, its credential and its rate."""

from __future__ import annotations

import ipaddress
import logging
import re
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlsplit

from evenhand.service.auth.credentials import Malformed, credential
from evenhand.service.auth.jwt import TokenRule, TokenVerifier
from evenhand.service.auth.key_file import AccessError, Key, find, read_keys, read_keys_again
from evenhand.service.auth.policy import RoutePolicy, Rule
from evenhand.service.auth.rate_limit import Buckets
from evenhand.service.auth.reloadable_file import ReloadableFile
from evenhand.service.errors import (
    AdminOff,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    NotLocal,
    RateLimited,
    Unauthorized,
)
from evenhand.service.settings import Settings

log = logging.getLogger(__name__)
CLOSED = (
    "{host} can be reached by others and there are no keys: make one (evenhand key new NAME --scope predict) "
    "and set EVENHAND_KEYS_FILE, listen on 127.0.0.1, or set EVENHAND_OPEN=true to let everyone in"
)
CALLER = "evenhand.caller"
"""Where a request's scope keeps the name of the caller, once a key or token was proven."""
PROXIES = re.compile(
    rb"forwarded|via|x-forwarded-.+|x-real-ip|x-client-ip|true-client-ip|x-original-.+|cf-.+|x-envoy-.+|x-amzn-.+"
)
"""Headers that a proxy adds: its client may be on any machine."""


@dataclass(frozen=True, slots=True)
class Caller:
    """The holder of a valid credential."""

    name: str
    """Name of the key; for a token only the word, because its subject is personal data."""
    bucket: str
    scopes: frozenset[str]
    rate_per_s: float
    """0 is unlimited."""


def _unwatched(file: str, problems: int) -> None:
    """Nobody looks at the series."""


class Authorizer:
    """Decides once per request, before its body is read.

    Args:
        settings: The key file, the token settings and the rate limit.
        count: Called with the result of each request that needs a scope.
        policy: The rule of each route.
        watch: Called with ``keys`` or ``jwks`` and the number of places of that file that cannot be read.

    Raises:
        AccessError: keys or tokens cannot be set up, or other machines could reach the service without a key.
    """

    def __init__(
        self,
        settings: Settings,
        count: Callable[[str], None],
        policy: RoutePolicy | None = None,
        watch: Callable[[str, int], None] = _unwatched,
    ) -> None:
        self._count = count
        self._rate_per_s = settings.key_rate_per_s
        self._keys = (
            None
            if settings.keys_file is None
            else ReloadableFile(settings.keys_file, read_keys, read_keys_again, partial(watch, "keys"))
        )
        self._tokens = _tokens(settings, partial(watch, "jwks"))
        self._rules, self._buckets = policy or RoutePolicy(), Buckets()
        self._needs_key = self._keys is not None or self._tokens is not None
        self._is_local = is_loopback(settings.host)
        self.is_open_to_all = not self._needs_key and not self._is_local
        """Whether other machines reach the service and need no key."""
        if self.is_open_to_all and not settings.open:
            raise AccessError(CLOSED.format(host=settings.host))

    def rules(self, path: str) -> Mapping[str, Rule]:
        """The rules of a path by method; empty for an unknown path."""
        return self._rules.of_path(path)

    def admit(self, scope: MutableMapping[str, Any], rules: Mapping[str, Rule]) -> Rule:
        """The rule of a request that is allowed.

        Args:
            scope: The request's ASGI scope; it gets the caller's name, see :data:`CALLER`.
            rules: The rules of its path, by method.

        Raises:
            Unauthorized: the credential is missing or not valid.
            Forbidden: the credential lacks the scope.
            RateLimited: the credential was used too often.
            AdminOff: without keys, only this machine may change what is served or recorded.
            NotLocal: without keys, only this machine is answered.
            NotFound: no such path.
            MethodNotAllowed: the path has no such method.
        """
        method = scope["method"]
        rule = rules.get("GET" if method == "HEAD" else method)
        if rule is not None and not rule.scopes:
            return rule
        if not self._needs_key:
            self._admit_without(rule, scope)
        else:
            self._admit_with(rule, scope)
        if rule is None:  # only now: callers without a key must not learn which paths exist
            raise MethodNotAllowed if rules else NotFound
        return rule

    def _admit_without(self, rule: Rule | None, scope: Mapping[str, Any]) -> None:
        if self._is_local and not _is_for_here(scope):
            self._count("not_local")
            raise NotLocal
        if rule is None:
            return
        is_off = (
            rule.is_admin and not _from_here(scope) if self._is_local else rule.is_admin or rule.is_record
        )
        if is_off:
            self._count("admin_off")
            raise AdminOff

    def _admit_with(self, rule: Rule | None, scope: MutableMapping[str, Any]) -> None:
        now_s = time.monotonic()
        try:
            shown = credential(scope["headers"])
        except Malformed:
            self._refuse_invalid()
        if shown is None:
            self._count("missing")
            raise Unauthorized
        caller = self._caller(shown, now_s)
        if caller is None:
            self._refuse_invalid()
        scope[CALLER] = caller.name
        wait_s = self._buckets.take(caller.bucket, caller.rate_per_s, now_s) if caller.rate_per_s else 0.0
        if wait_s:
            self._count("limited")
            raise RateLimited(wait_s)
        if rule is not None and caller.scopes.isdisjoint(rule.scopes):
            self._count("forbidden")
            raise Forbidden(rule.scopes)
        self._count("ok")
        if rule is not None and rule.is_admin:
            log.info("%s %s by %s", scope["method"], rule.template, caller.name)

    def _refuse_invalid(self) -> NoReturn:
        self._count("invalid")
        raise Unauthorized(is_shown=True)

    def _caller(self, shown: str, now_s: float) -> Caller | None:
        if self._tokens is not None and shown.count(".") == 2:  # a key has no dot
            bearer = self._tokens.verify(shown, now_s)
            if bearer is None:
                return None
            return Caller("a token", f"token {bearer.subject}", bearer.scopes, self._rate_per_s)
        key = None if self._keys is None else find(self._keys.get(now_s).keys, shown)
        return None if key is None else self._of_key(key)

    def _of_key(self, key: Key) -> Caller:
        rate_per_s = self._rate_per_s if key.rate_per_s is None else key.rate_per_s
        return Caller(f"key {key.name}", f"key {key.name}", key.scopes, rate_per_s)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach this address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _is_for_here(scope: Mapping[str, Any]) -> bool:
    """Whether a request came to a loopback address, by a name of it; one over a Unix socket always is.

    The address is the connection's own, whatever the settings say that a server was started with. A site
    whose DNS name points at this machine (DNS rebinding) is the same site to a browser, but its name stands
    in ``Host``.
    """
    server = scope.get("server")
    if server is None or not _is_address(server[0]):  # the path of a Unix socket
        return True
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    names = [_host_of(f"//{host.decode('latin-1')}") for host in hosts]
    return is_loopback(server[0]) and all(is_loopback(name) for name in names)


def _from_here(scope: Mapping[str, Any]) -> bool:
    """Whether a request to this machine comes neither through a proxy nor from another site's page.

    Programs other than browsers send no ``Origin``.
    """
    if any(PROXIES.fullmatch(name) for name, _ in scope["headers"]):
        return False
    origins = [value for name, value in scope["headers"] if name == b"origin"]
    return all(is_loopback(_host_of(origin.decode("latin-1"))) for origin in origins)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _tokens(settings: Settings, watch: Callable[[int], None]) -> TokenVerifier | None:
    if settings.jwt_jwks is None:
        if settings.jwt_issuer or settings.jwt_audience:
            raise AccessError(
                "jwt_issuer and jwt_audience need jwt_jwks: a file with the issuer's public keys"
            )
        return None
    if not settings.jwt_issuer or not settings.jwt_audience:
        raise AccessError(
            "jwt_jwks needs jwt_issuer and jwt_audience: tokens for other services must not count here"
        )
    rule = TokenRule(
        settings.jwt_jwks,
        settings.jwt_issuer,
        settings.jwt_audience,
        settings.jwt_claim,
        settings.jwt_lifetime_s,
    )
    return TokenVerifier(rule, watch)
