import json

import pytest

from bench.protocols import PROTOCOLS, Ask, mixed
from bench.servers import SERVERS
from bench.side_by_side.report import medians, ratios
from bench.texts import Text, sentences


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_server_is_asked_with_the_text(name: str) -> None:
    protocol = PROTOCOLS[name]
    head, _, body = protocol.ask(Text("what a day", "not hate")).request.partition(b"\r\n\r\n")
    assert head.startswith(f"POST {protocol.path} HTTP/1.1".encode())
    assert "what a day" in json.dumps(json.loads(body))
    assert "what a day" not in protocol.wrong_type().request.decode()
    assert protocol.missing().kind == "missing"


def test_there_is_a_protocol_for_every_server() -> None:
    assert set(SERVERS) == set(PROTOCOLS)


def test_our_marker_is_the_base_answer_and_not_the_corrected_one() -> None:
    marker = PROTOCOLS["evenhand"].ask(Text("a", "not hate")).marker
    assert marker is not None
    corrected = b'{"label": "not hate", "base": {"label": "hate", "score": 0.7}}'.replace(b" ", b"")
    unchanged = b'{"label": "hate", "base": {"label": "not hate", "score": 0.7}}'.replace(b" ", b"")
    assert marker not in corrected
    assert marker in unchanged
    assert PROTOCOLS["evenhand"].ask(Text("a", None)).marker is None


def test_one_request_in_32_is_bad_and_no_good_one_is_left_out() -> None:
    good = [Ask(b"%d" % number, None) for number in range(620)]
    asks = mixed(good, [Ask(b"x", None, "wrong type"), Ask(b"y", None, "missing")], 32)
    bad = [ask for ask in asks if ask.kind != "good"]
    assert [ask for ask in asks if ask.kind == "good"] == good
    assert (len(asks), len(bad)) == (640, 20)
    assert [ask.kind for ask in bad[:3]] == ["wrong type", "missing", "wrong type"]
    assert all(sum(ask.kind != "good" for ask in asks[at : at + 32]) == 1 for at in range(0, 640, 32))


def test_without_data_there_are_sentences_of_many_lengths() -> None:
    texts = sentences()
    lengths = {len(text.split()) for text in texts}
    assert len(texts) > 200
    assert min(lengths) < 5
    assert max(lengths) > 40
    assert texts == sentences()


def phases(throughput: float) -> dict[str, dict[str, object]]:
    one = {"throughput_per_s": throughput, "p99_ms": None, "statuses": {"200": 1}}
    return {name: dict(one) for name in ("closed_1", "closed_8", "closed_64", "open")}


def test_ratios_are_taken_within_a_round() -> None:
    # The machine was twice as fast in the second round, for both alike.
    ours, peer = [phases(30), phases(60), phases(60)], [phases(10), phases(20), phases(30)]
    servers = {"evenhand": {"rounds": ours}, "peer": {"rounds": peer}, "broken": {"rounds": []}}
    assert ratios(servers, "evenhand") == {"peer": 3.0}
    assert medians(peer)["closed_64"] == {"throughput_per_s": 20.0, "p99_ms": None}
