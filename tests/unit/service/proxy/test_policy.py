"""Which paths are whose, and who may send them on."""

import pytest

from evenhand.service.auth.policy import TABLE
from evenhand.service.proxy.policy import OTHERS, PREDICTS, ProxyPolicy
from evenhand.service.settings import Settings

OIP = ProxyPolicy(Settings(proxy_upstream="http://a:1"))
JSON = ProxyPolicy(
    Settings(proxy_upstream="http://a:1", proxy_protocol="json", proxy_route="/v1/moderations")
)


@pytest.mark.parametrize(
    "path", ["/v2/models/m/infer", "/v2/models/m/versions/3/infer", "//v2/models/m//infer/"]
)
def test_predictions_of_the_protocol_are_known_in_every_spelling(path: str) -> None:
    assert OIP.predicts(path) == "m"
    assert OIP.of_path(path)["POST"].template == PREDICTS
    assert OIP.of_path(path)["POST"].scopes == ("predict",)


@pytest.mark.parametrize(
    "path", ["/v1/moderations", "/v1/moderations/", "//v1/./moderations", "/v1/x/../moderations"]
)
def test_the_route_is_known_in_every_spelling(path: str) -> None:
    assert JSON.predicts(path) == ""


@pytest.mark.parametrize("policy", [OIP, JSON])
@pytest.mark.parametrize(
    "path", ["/", "/predict", "/v2", "/docs", "/v2/health/ready", "/v2/models/m", "/anything"]
)
def test_all_else_is_sent_on(policy: ProxyPolicy, path: str) -> None:
    rules = policy.of_path(path)
    assert {rule.template for rule in rules.values()} == {OTHERS}
    assert all(rule.forwards for rule in rules.values())
    assert rules["GET"].scopes == ("predict",)
    assert rules["DELETE"].scopes == ("admin",)


def test_what_changes_the_server_behind_needs_admin() -> None:
    assert OIP.of_path("/v2/repository/models/m/unload")["POST"].scopes == ("admin",)
    assert JSON.of_path("/v1/embeddings")["POST"].scopes == ("predict",)


def test_our_own_routes_keep_their_rules() -> None:
    for route, scopes in TABLE.items():
        method, path = route.split()
        if path.startswith(("/predict", "/v2", "/docs", "/openapi")):
            continue
        assert OIP.is_own(path)
        assert OIP.of_path(path)[method].scopes == tuple(scopes.split())
        assert not OIP.of_path(path)[method].forwards
