"""What a real Prometheus fires reaches a receiver through a real Alertmanager, in words and with figures."""

import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from alert_cases import CASES
from monitoring_stack import Alertmanager, Prometheus, Webhook
from promtool import Series, aims, both, decisions, replica
from waiting import until


@pytest.fixture
def exposition() -> Iterator[tuple[str, Series]]:
    """A target, and the series that it exposes; the test fills them."""
    exposed: Series = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lines = (f"{name} {values.split('x')[0]}\n" for name, values in exposed.items())
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write("".join(lines).encode())

        def log_message(self, format: str, *args: object) -> None:
            """Nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}", exposed
    server.shutdown()
    server.server_close()


def test_every_alert_says_its_figures(exposition: tuple[str, Series], tmp_path: Path) -> None:
    target, exposed = exposition
    alert_names = set(CASES) - {
        "FairnessGroupOverflow",
        "FairnessFeedbackStalled",
    }  # these two need hours to come about
    for alert in alert_names:  # each in a model of its own, where it fires and all else of that model may
        state = next(case.series for case in CASES[alert] if any(case.expects.values()))
        exposed |= {name.replace('model="m"', f'model="{alert}"'): value for name, value in state.items()}
        exposed[f'evenhand_threshold{{model="{alert}",attribute="sex"}}'] = "0.5"
    exposed |= replica() | {"evenhand_start_time_seconds{}": str(time.time())}
    with (
        Webhook() as receiver,
        Alertmanager(tmp_path / "alertmanager", receiver.url) as alertmanager,
        Prometheus(tmp_path / "prometheus", [target], alertmanager.address) as prometheus,
    ):
        until(
            lambda: alert_names <= {a["labels"]["alertname"] for a in receiver.alerts() if fits(a["labels"])}
        )
        assert prometheus.broken_rules() == []
        for alert in receiver.alerts():
            words = alert["annotations"]["summary"] + " " + alert["annotations"]["description"]
            assert not re.search(r"error expanding|NaN|Inf\b|<no value>|%!|\{|\}", words), words
            assert re.search(r"\d", words), words


def fits(labels: dict[str, str]) -> bool:
    """Whether an alert is of the model that was made for it."""
    return labels.get("model") == labels["alertname"]


def test_fair_rows_fire_nothing(exposition: tuple[str, Series], tmp_path: Path) -> None:
    target, exposed = exposition
    aim = aims("demographic-parity", 0.05)
    exposed |= both(replica(), aim, decisions("a", 1000, 0.5), decisions("b", 1000, 0.49))
    exposed |= {"evenhand_start_time_seconds{}": str(time.time())}
    with Prometheus(tmp_path, [target]) as prometheus:
        prometheus.wait_for("sum(evenhand:target_verdict:1d)", 1)
        time.sleep(3)
        assert prometheus.firing() == set()
