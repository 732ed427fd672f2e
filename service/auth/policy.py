"""Which scope every route needs. A path without a rule does not exist, so that a new route cannot be left open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.routing import compile_path

from evenhand.service.errors import V2_PREFIX

Scope = Literal["predict", "feedback", "admin", "metrics", "audit"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

_MODEL, _VERSION = f"{V2_PREFIX}/models/{{model}}", f"{V2_PREFIX}/models/{{model}}/versions/{{version}}"
TABLE: Mapping[str, str] = {
    "POST /predict": "predict",
    f"POST {_MODEL}/infer": "predict",
    f"POST {_VERSION}/infer": "predict",
    f"GET {_MODEL}": "predict",
    f"GET {_VERSION}": "predict",
    f"GET {_MODEL}/ready": "predict",
    f"GET {_VERSION}/ready": "predict",
    f"GET {V2_PREFIX}": "predict",
    "POST /feedback": "feedback",
    "GET /models": "predict audit admin",
    "GET /fairness": "audit",
    "GET /decisions/{id}": "audit",
    "GET /metrics": "metrics",
    "POST /decisions/{id}/override": "admin",
    "PUT /models/{name}/mode": "admin",
    "PUT /models/{name}/shadow": "admin",
    "POST /models/{name}/promote": "admin",
    "POST /models/{name}/reload": "admin",
    "PUT /log-level": "admin",
    # Open: whether it is well, and what holds no data. The page asks for a key before it shows anything.
    "GET /healthz": "",
    "GET /readyz": "",
    f"GET {V2_PREFIX}/health/live": "",
    f"GET {V2_PREFIX}/health/ready": "",
    "GET /dashboard": "",
    "GET /docs": "",
    "GET /openapi.json": "",
}
"""Method and path template, and the scopes of which a caller needs one; none at all where it is open."""


@dataclass(frozen=True, slots=True)
class Rule:
    """What one route asks of its caller."""

    template: str
    scopes: tuple[str, ...]
    """One of them is needed; none are where the route is open."""

    @property
    def is_admin(self) -> bool:
        """Whether it changes what is served, or what is on record."""
        return self.scopes == ("admin",)


ByMethod = dict[str, Rule]


class RoutePolicy:
    """Finds the rule of a request.

    Args:
        table: As :data:`TABLE`.
    """

    def __init__(self, table: Mapping[str, str] = TABLE) -> None:
        routes: dict[str, ByMethod] = {}
        for route, scopes in table.items():
            method, template = route.split()
            routes.setdefault(template, {})[method] = Rule(template, tuple(scopes.split()))
        self._plain = {template: rules for template, rules in routes.items() if "{" not in template}
        self._patterns: list[tuple[re.Pattern[str], ByMethod]] = [
            (compile_path(template)[0], rules) for template, rules in routes.items() if "{" in template
        ]

    def of_path(self, path: str) -> ByMethod:
        """The rules of a path by method; none where there is no such path.

        The patterns are the router's own, matched in full: what is found here is what the router would find,
        or less.
        """
        plain = self._plain.get(path)
        if plain is not None:
            return plain
        return next((rules for pattern, rules in self._patterns if pattern.fullmatch(path)), {})
