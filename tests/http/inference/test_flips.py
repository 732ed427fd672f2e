"""A share of rows is asked about again with another group in it: counted, and nothing else changes."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from linear_bundle import write_linear_bundle
from rebundle import reversion
from series import total
from waiting import until
from written_bundle import written

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import BundleError
from evenhand.service.app import create_app
from evenhand.service.settings import Settings
from evenhand.training.counterfactual.term_lists import PACKAGED, with_terms

TERMS = {"religion": {"Islam": ["muslim", "muslims"], "Christian": ["christian", "christians"]}}
TERMS["gender"] = {"Women": ["woman"], "Men": ["man"]}
TEXTS = ["muslims are welcome here", "a christian and a jew", "what a lovely day", "she is a woman"]
FLIPS = "evenhand_flips_total"


@pytest.fixture(scope="module")
def without_terms(altered: Callable[..., Path]) -> Path:
    return written(altered(0.5, "apply"))


@pytest.fixture(scope="module")
def bundle(without_terms: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flips") / "with"
    terms = folder.parent / "terms.json"
    terms.write_text(json.dumps(TERMS))
    with_terms(without_terms, terms, folder)
    return folder


@pytest.fixture(scope="module")
def asked_twice(bundle: Path) -> Iterator[TestClient]:
    with TestClient(
        create_app(Settings(bundles=(bundle,), flip_share=1.0, watch_s=0, lanes=1, threads=1))
    ) as client:
        yield client


def ask(client: TestClient, texts: list[Any], **more: Any) -> list[dict[str, Any]]:
    reply = client.post("/predict", json={"inputs": texts, **more})
    assert reply.status_code == 200, reply.text
    return [{k: v for k, v in one.items() if k != "id"} for one in reply.json()["predictions"]]


def test_rows_that_name_a_group_are_counted_once_each_and_answers_stay_as_they_are(
    asked_twice: TestClient, without_terms: Path, open_client: Callable[..., TestClient]
) -> None:
    client = open_client(without_terms)
    before = total(asked_twice, FLIPS)
    assert before == 0
    for attribute in TERMS:
        for result in ("same", "other", "error", "dropped"):
            assert f'attribute="{attribute}",model="hate-speech",result="{result}"' in labels(asked_twice)
    decided = total(client, "evenhand_decisions_total")
    assert ask(asked_twice, TEXTS) == ask(client, TEXTS)
    until(lambda: total(asked_twice, FLIPS) == 3)
    assert total(asked_twice, FLIPS, attribute="religion") == 2
    assert total(asked_twice, FLIPS, attribute="gender") == 1
    assert total(asked_twice, FLIPS, result="error") == 0
    assert total(asked_twice, "evenhand_flip_inference_seconds_total") > 0
    # A second question is no decision, and is in no series of the service's own speed.
    assert (
        total(asked_twice, "evenhand_decisions_total") == total(client, "evenhand_decisions_total") - decided
    )
    assert total(asked_twice, "evenhand_queue_seconds_count") == len(TEXTS)


def labels(client: TestClient) -> str:
    return "\n".join(line for line in client.get("/metrics").text.splitlines() if line.startswith(FLIPS))


def test_the_counted_result_is_what_the_service_itself_says_of_the_swap(asked_twice: TestClient) -> None:
    """The list has two groups here, so that the swap that is drawn is known."""
    verbs, rest = (
        ("are", "hate", "are stupid and"),
        ("welcome here", "my neighbours", "the problem", "everywhere in this town"),
    )
    texts = [f"{who} {verb} {what}" for who in ("muslims", "christians") for verb in verbs for what in rest]
    other = {"muslims": "christians", "christians": "muslims"}
    swapped = [" ".join(other.get(word, word) for word in text.split()) for text in texts]
    count = {result: total(asked_twice, FLIPS, result=result) for result in ("same", "other")}
    before, after = ask(asked_twice, texts), ask(asked_twice, swapped)
    flips = sum(a["label"] != b["label"] for a, b in zip(before, after, strict=True))
    # Both directions were asked about: each pair of rows counts twice.
    until(lambda: total(asked_twice, FLIPS) == sum(count.values()) + 2 * len(texts))
    assert total(asked_twice, FLIPS, result="other") - count["other"] == 2 * flips
    assert flips > 0


def test_nothing_is_asked_twice_unless_an_operator_wants_it_and_the_bundle_brings_terms(
    bundle: Path, demo: Path, open_client: Callable[..., TestClient], caplog: pytest.LogCaptureFixture
) -> None:
    off = open_client(bundle)
    ask(off, TEXTS)
    without = open_client(demo, flip_share=1.0)
    ask(without, TEXTS)
    for client in (off, without):
        assert labels(client) == ""
    assert "evenhand flip --into" in caplog.text


def test_a_row_that_cannot_be_asked_about_in_time_is_dropped(
    bundle: Path, open_client: Callable[..., TestClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = open_client(bundle, flip_share=1.0, lanes=1)
    check = client.app.state.running.registry.live()[0].check  # type: ignore[attr-defined]
    check.batcher._closing = True  # as while a new bundle takes its place
    ask(client, TEXTS)
    until(lambda: total(client, FLIPS, result="dropped") == 3)
    check.batcher._closing = False


def test_the_second_question_waits_for_all_others_also_after_a_new_bundle_took_over(
    bundle: Path, tmp_path: Path, open_client: Callable[..., TestClient]
) -> None:
    folder = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    client = open_client(folder, flip_share=1.0, watch_s=0)
    running = client.app.state.running  # type: ignore[attr-defined]
    old = running.registry.live()[0]
    reversion(folder, "3")
    assert client.post("/models/hate-speech/reload", json={}).json()["changed"] is True
    (new,) = running.registry.live()
    for source, is_served in ((new.batcher, False), (new.check.batcher, True)):
        assert running.workers.in_background(source) is is_served
    assert ask(client, TEXTS)
    until(lambda: total(client, FLIPS) == 3)
    until(lambda: not old.check.batcher.alive)


def test_a_bundle_whose_terms_cannot_be_used_does_not_load(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "terms.json").write_text(json.dumps({"gender": {"women": ["zanzibar"]}}))
    folder = tmp_path / "broken"
    with_terms(bundle, PACKAGED, folder)
    (folder / bundles.SWAPS).write_bytes((tmp_path / "terms.json").read_bytes())
    manifest, _ = bundles.read_manifest(folder)
    bundles.write_manifest(folder, manifest.model_copy(update={"files": bundles.hash_files(folder)}))
    with pytest.raises(BundleError, match="needs two groups"):
        create_app(Settings(bundles=(folder,)))


def test_a_tables_own_column_is_replaced_without_any_terms(
    tmp_path: Path, open_client: Callable[..., TestClient]
) -> None:
    """Hours between 0 and 1 get yes for one sex alone; beyond them sex makes no difference."""
    write_linear_bundle(tmp_path / "linear", on_sex=0.0, on_hours=1.0, on_job=0.0, corrected_on_sex=-1.0)
    client = open_client(tmp_path / "linear", flip_share=1.0)
    ask(client, [{"sex": sex, "hours": hours} for sex in ("M", "F") for hours in (0.2, 0.4, 0.6, 2.0, -1.0)])
    until(lambda: total(client, FLIPS, attribute="sex") == 10)
    assert total(client, FLIPS, result="other") == 6
    assert total(client, FLIPS, result="same") == 4
