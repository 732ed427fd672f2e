"""The policy of every route: its scopes, and the kind of its body. A path without a rule does not exist."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.routing import compile_path

from evenhand.service.errors import V2_PREFIX

Scope = Literal["predict", "feedback", "decisions", "admin", "metrics", "audit"]
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
    "POST /decisions": "decisions",
    "GET /models": "predict audit admin",
    "GET /fairness": "audit",
    "GET /fairness/trend": "audit",
    "GET /decisions/{id}": "audit",
    "GET /metrics": "metrics",
    "POST /decisions/{id}/override": "admin",
    "PUT /models/{name}/mode": "admin",
    "PUT /models/{name}/shadow": "admin",
    "POST /models/{name}/promote": "admin",
    "POST /models/{name}/reload": "admin",
    "PUT /log-level": "admin",
    # Open: health, and pages without data. The dashboard asks for a key before it shows anything.
    "GET /healthz": "",
    "GET /readyz": "",
    f"GET {V2_PREFIX}/health/live": "",
    f"GET {V2_PREFIX}/health/ready": "",
    "GET /dashboard": "",
    "GET /docs": "",
    "GET /openapi.json": "",
}
"""By method and path template: the scopes, one of which a caller needs; empty for an open route."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The policy of one route."""

    method: str
    template: str
    scopes: tuple[str, ...]
    """A caller needs one of them; empty for an open route."""
    forwards: bool = False
    """Whether the request goes to the server behind the proxy, with a body of any kind."""

    @property
    def is_admin(self) -> bool:
        """Whether the route changes what is served or recorded."""
        return self.scopes == ("admin",)

    @property
    def is_record(self) -> bool:
        """Whether the route adds what figures are made of: labels, groups, decisions made elsewhere."""
        return self.scopes in (("feedback",), ("decisions",))

    @property
    def is_inference(self) -> bool:
        """Whether the body holds rows for a model."""
        return self.method == "POST" and self.scopes == ("predict",)

    @property
    def takes_binary(self) -> bool:
        """Whether the body may hold tensors as bytes after the JSON."""
        return self.is_inference and self.template.startswith(V2_PREFIX)

    @property
    def takes_rows(self) -> bool:
        """Whether the body may be as long as a stream of rows is, and is read while it arrives."""
        return self.method == "POST" and self.scopes == ("decisions",)


ByMethod = dict[str, Rule]


class RoutePolicy:
    """Looks up the rules of a path.

    Args:
        table: As :data:`TABLE`.
    """

    def __init__(self, table: Mapping[str, str] = TABLE) -> None:
        routes: dict[str, ByMethod] = {}
        for route, scopes in table.items():
            method, template = route.split()
            routes.setdefault(template, {})[method] = Rule(method, template, tuple(scopes.split()))
        self._plain = {template: rules for template, rules in routes.items() if "{" not in template}
        self._patterns: list[tuple[re.Pattern[str], ByMethod]] = [
            (compile_path(template)[0], rules) for template, rules in routes.items() if "{" in template
        ]

    def of_path(self, path: str) -> ByMethod:
        """The rules of a path by method; empty for an unknown path.

        The patterns are those of the router and must match the whole path, so no path is allowed here that
        the router would not route.
        """
        plain = self._plain.get(path)
        if plain is not None:
            return plain
        return next((rules for pattern, rules in self._patterns if pattern.fullmatch(path)), {})
