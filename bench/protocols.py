"""Each server's request and the place of the answer in its reply, in the form that the peer prescribes."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bench.texts import Text
from bench.wire import HOST, post

Body = Callable[[Any], Any]
"""From a text, or what stands in its place in a faulty request, to the object that is sent."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request, ready to be sent."""

    request: bytes
    marker: bytes | None
    """What a reply with the right answer of the base model contains, blanks left out."""
    kind: str = "good"


@dataclass(frozen=True, slots=True)
class Protocol:
    """The request and the reply of one server."""

    path: str
    body: Body
    without: Any
    """A request in which the text is missing."""
    answer: str
    """Where the base model's label stands in a reply; ``%s`` is the label."""
    ready: str = "/"
    """A path that answers 200 once predictions are."""

    def ask(self, text: Text) -> Ask:
        """Ask about one text."""
        marker = None if text.label is None else (self.answer % text.label).replace(" ", "").encode()
        return Ask(self._request(self.body(text.text)), marker)

    def wrong_type(self) -> Ask:
        """A number where the text should be."""
        return Ask(self._request(self.body(7)), None, "wrong type")

    def missing(self) -> Ask:
        """No text at all."""
        return Ask(self._request(self.without), None, "missing")

    def poisoned(self, text: str) -> Ask:
        """In order as far as one can see, and raising inside the model."""
        return Ask(self._request(self.body(text)), None, "poisoned")

    def _request(self, body: Any) -> bytes:  # noqa: ANN401 - any JSON
        return post(HOST, self.path, json.dumps(body, separators=(",", ":")).encode())


def _plain(text: Any) -> Any:  # noqa: ANN401 - any JSON
    return {"text": text}


def _v2(shape: list[int]) -> Body:
    def body(text: Any) -> Any:  # noqa: ANN401 - any JSON
        return {"inputs": [{"name": "text", "shape": shape, "datatype": "BYTES", "data": [text]}]}

    return body


PLAIN = '"label":"%s"'
OURS = '"base":{"label":"%s"'
PROTOCOLS = {
    "evenhand": Protocol("/predict", lambda text: {"inputs": text}, {"groups": None}, OURS, "/readyz"),
    "evenhand-off": Protocol(
        "/predict", lambda text: {"inputs": text, "mode": "off"}, {"mode": "off"}, OURS, "/readyz"
    ),
    "fastapi": Protocol("/predict", _plain, {}, PLAIN, "/openapi.json"),
    "fastapi-ours": Protocol("/predict", _plain, {}, PLAIN, "/openapi.json"),
    "litserve": Protocol("/predict", _plain, {}, PLAIN, "/health"),
    "bentoml": Protocol("/predict", lambda text: {"texts": [text]}, {}, PLAIN, "/readyz"),
    "rayserve": Protocol("/", _plain, {}, PLAIN, "/-/healthz"),
    "mlserver": Protocol(
        "/v2/models/base/infer", _v2([1]), {"inputs": []}, '["%s"]', "/v2/models/base/ready"
    ),
    "mosec": Protocol("/inference", _plain, {}, PLAIN, "/"),
    "triton": Protocol(
        "/v2/models/base/infer", _v2([1, 1]), {"inputs": []}, '["%s"]', "/v2/models/base/ready"
    ),
}
"""By name of the server."""


def asks(protocol: Protocol, texts: Sequence[Text]) -> list[Ask]:
    """One request per text."""
    return [protocol.ask(text) for text in texts]


def mixed(good: Sequence[Ask], bad: Sequence[Ask], every: int) -> list[Ask]:
    """A bad request in every ``every``, the bad ones in turn."""
    requests: list[Ask] = []
    for index, ask in enumerate(good):
        if index % (every - 1) == (every - 1) // 2:
            requests.append(bad[index // (every - 1) % len(bad)])
        requests.append(ask)
    return requests
