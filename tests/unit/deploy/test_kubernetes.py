"""The manifests are what Kubernetes takes, what Prometheus is told everywhere, and fit together.

Validated here: every built-in kind against the schemas of the oldest and newest version that are still looked
after,
unknown fields refused. Not in those schemas: PrometheusRule and ServiceMonitor.
"""

import runpy
import shutil
import subprocess
from typing import Any

import kubernetes_validate
import pytest
import yaml
from places import DEPLOY

from evenhand.service.settings import Settings

KUBERNETES = DEPLOY / "kubernetes"
OWN_KINDS = {"PrometheusRule", "ServiceMonitor"}
ANNOTATED_BYTES = 256 * 1024
"""What ``kubectl apply`` can keep of an object in its annotation."""

Object = dict[str, Any]


@pytest.fixture(scope="module")
def rendered() -> list[Object]:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        pytest.skip("kubectl is not installed; it renders deploy/kubernetes/example")
    command = [kubectl, "kustomize", str(KUBERNETES / "example")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module")
def by_kind(rendered: list[Object]) -> dict[str, Object]:
    return {
        each["kind"]: each["spec"] for each in rendered if each["kind"] != "PrometheusRule" and "spec" in each
    }


@pytest.mark.parametrize("version", ["1.33", "1.37"])
def test_kubernetes_takes_every_object(rendered: list[Object], version: str) -> None:
    for each in rendered:
        if each["kind"] not in OWN_KINDS:
            kubernetes_validate.validate(each, version, strict=True)


def test_a_misspelt_field_is_found(rendered: list[Object]) -> None:
    deployment = next(each for each in rendered if each["kind"] == "Deployment")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate({**deployment, "spek": {}}, "1.37", strict=True)


def test_every_object_is_in_the_examples_namespace(rendered: list[Object]) -> None:
    assert {each["metadata"].get("namespace") for each in rendered if each["kind"] != "Namespace"} == {
        "evenhand"
    }


def test_rules_are_those_of_prometheus() -> None:
    text = runpy.run_path(str(KUBERNETES / "make_rules.py"))["text"]()
    assert (KUBERNETES / "base/rules.yaml").read_text() == text, "run python deploy/kubernetes/make_rules.py"
    files = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
    assert [each["spec"] for each in yaml.safe_load_all(text)] == [
        yaml.safe_load(file.read_text()) for file in files
    ]


def test_kubectl_can_annotate_every_object() -> None:
    for each in yaml.safe_load_all((KUBERNETES / "base/rules.yaml").read_text()):
        assert len(yaml.safe_dump(each).encode()) < ANNOTATED_BYTES, each["metadata"]["name"]


def test_selectors_find_the_pods(rendered: list[Object], by_kind: dict[str, Object]) -> None:
    pods = by_kind["Deployment"]["template"]["metadata"]["labels"].items()
    spread = by_kind["Deployment"]["template"]["spec"]["topologySpreadConstraints"]
    selectors = [
        by_kind["Service"]["selector"],
        by_kind["Deployment"]["selector"]["matchLabels"],
        by_kind["PodDisruptionBudget"]["selector"]["matchLabels"],
        by_kind["NetworkPolicy"]["podSelector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in spread),
    ]
    for selector in selectors:
        assert selector.items() <= pods
    service = next(each for each in rendered if each["kind"] == "Service")
    assert (
        by_kind["ServiceMonitor"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    )
    database = by_kind["NetworkPolicy"]["egress"][1]["to"][0]["podSelector"]["matchLabels"]
    assert not database.items() <= pods


def test_ports_have_the_names_that_are_asked_for(by_kind: dict[str, Object]) -> None:
    container = by_kind["Deployment"]["template"]["spec"]["containers"][0]
    names = {port["name"] for port in container["ports"]}
    assert {
        container[f"{probe}Probe"]["httpGet"]["port"] for probe in ("startup", "readiness", "liveness")
    } <= names
    assert {port["targetPort"] for port in by_kind["Service"]["ports"]} <= names
    assert {port["port"] for each in by_kind["NetworkPolicy"]["ingress"] for port in each["ports"]} <= names
    services = {port["name"] for port in by_kind["Service"]["ports"]}
    assert {each["port"] for each in by_kind["ServiceMonitor"]["endpoints"]} <= services


def test_pods_may_do_nothing_that_they_need_not(by_kind: dict[str, Object]) -> None:
    pod = by_kind["Deployment"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"]
    for container in [*pod["initContainers"], *pod["containers"]]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_a_pod_has_time_to_answer_what_it_accepted(by_kind: dict[str, Object]) -> None:
    pod = by_kind["Deployment"]["template"]["spec"]
    pause_s = int(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert pod["terminationGracePeriodSeconds"] > pause_s + Settings().drain_s
