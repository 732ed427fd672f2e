"""What a service exposes to Prometheus, read as Prometheus reads it."""

from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families


def samples(client: TestClient) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    text = client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def total(client: TestClient, name: str, **labels: str) -> float:
    """The sum of a series over all its labels that are not given."""
    pairs = set(labels.items())
    return sum(value for (n, have), value in samples(client).items() if n == name and pairs <= have)
