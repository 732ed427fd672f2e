"""A drift on the running stack: the service, Prometheus with the rules, Alertmanager, and a receiver."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from monitoring_stack import Alertmanager, Prometheus, Webhook
from monitoring_traffic import FAVOURABLE, OTHER, send
from rebundle import targeted
from serving import EVENHAND, Server, put
from waiting import until
from written_bundle import FLIPPED, KIND, UNKIND, written

pytestmark = pytest.mark.slow
MODEL = "hate-speech"
FAIR = tuple(
    (text, group, label)
    for text, label in ((KIND, FAVOURABLE), (UNKIND, OTHER))
    for group in ("not mentioned", "mentioned")
)
HARMED = ((FLIPPED, "mentioned", OTHER), (UNKIND, "not mentioned", OTHER))
RELIGION = f'model="{MODEL}", attribute="religion", source="declared"'


class Stack(NamedTuple):
    """What runs."""

    server: Server
    prometheus: Prometheus
    webhook: Webhook

    def send(self, rows: int, *kinds: tuple[str, str, str]) -> None:
        """Send so many rows of each kind, by turns: at no moment is there more of one than of another."""
        texts, groups, labels = zip(*kinds * rows, strict=True)
        send(self.server, texts, [{"religion": group} for group in groups], labels)

    def counted(self, rows: int) -> None:
        """Wait until so many rows of religion, with their labels, are in the windows that alerts look at."""
        self.prometheus.wait_for(f"sum(evenhand:rows:1d{{{RELIGION}}})", rows)
        self.prometheus.wait_for(f"sum(evenhand:labels:7d{{{RELIGION}}})", rows)

    def names(self, status: str = "firing") -> set[str]:
        """Names of the alerts about religion that somebody was told."""
        return {
            alert["labels"]["alertname"]
            for alert in self.webhook.alerts(status)
            if alert["labels"].get("attribute") == "religion"
        }


@pytest.fixture
def stack(altered: Callable[..., Path], tmp_path: Path) -> Iterator[Stack]:
    bundle = targeted(written(altered(0.5, "apply")), religion="demographic-parity")
    server = Server(
        str(EVENHAND), "serve", str(bundle), "--port", "PORT", EVENHAND_STATE=str(tmp_path / "state")
    )
    try:
        with (
            Webhook() as webhook,
            Alertmanager(tmp_path / "alertmanager", webhook.url) as alertmanager,
            Prometheus(
                tmp_path / "prometheus", [f"127.0.0.1:{server.port}"], alertmanager.address
            ) as prometheus,
        ):
            yield Stack(server, prometheus, webhook)
            assert prometheus.broken_rules() == []
    finally:
        server.process.kill()
        server.process.wait()


def test_thin_traffic_is_insufficient_fair_traffic_is_silent_and_a_drift_is_told(stack: Stack) -> None:
    stack.send(20, *FAIR)
    stack.counted(80)
    until(lambda: "FairnessInsufficientData" in stack.names())

    stack.send(130, *FAIR)
    stack.counted(600)
    stack.prometheus.wait_for(f"evenhand:target_verdict:7d{{{RELIGION}}}", 1)
    until(lambda: "FairnessInsufficientData" in stack.names("resolved"))
    assert not stack.webhook.names() & {"FairnessTargetBreach", "FairnessCorrectionHarm"}

    stack.send(250, (UNKIND, "mentioned", FAVOURABLE))
    stack.counted(850)
    until(lambda: "FairnessTargetBreach" in stack.names())
    stack.prometheus.wait_for(f"evenhand:target_verdict:1d{{{RELIGION}}}", 2)
    assert "FairnessCorrectionHarm" not in stack.webhook.names()


def test_a_correction_that_does_harm_is_told(stack: Stack) -> None:
    assert put(stack.server, f"/models/{MODEL}/mode", {"mode": "off"}) == 200
    stack.send(200, *HARMED)
    stack.counted(400)
    stack.prometheus.wait_for(f"evenhand:target_verdict:1d{{{RELIGION}}}", 1)
    assert "FairnessCorrectionHarm" not in stack.webhook.names()

    assert put(stack.server, f"/models/{MODEL}/mode", {"mode": "apply"}) == 200
    stack.send(200, *HARMED)
    stack.counted(800)
    harms = {"target", "errors", "cell"}
    until(lambda: harms <= {alert["labels"].get("harm") for alert in stack.webhook.alerts()})
