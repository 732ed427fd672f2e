"""Blocks of README, tutorial and how-to pages run as their reader runs them, or a comment says why not."""

import csv
import itertools
import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from documents import NOT_RUN, ROOT, Block, Reader, blocks
from places import SALARIES

SERVED = (
    "README.md",
    "docs/explanation/monitoring.md",
    "docs/howto/access.md",
    "docs/howto/batch.md",
    "docs/howto/compare.md",
    "docs/howto/compose.md",
    "docs/howto/counterfactual.md",
    "docs/howto/evaluate.md",
    "docs/howto/fit.md",
    "docs/howto/library.md",
    "docs/howto/open-inference-protocol.md",
    "docs/howto/operate.md",
    "docs/howto/python.md",
)
"""Their blocks run beside the demo bundles, served."""
PAGES = (*SERVED, "docs/tutorial.md", "docs/howto/backup.md")
RUNNING = [block for page in SERVED for block in blocks(page) if block.runs]


@pytest.fixture(autouse=True)
def curl() -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")


def bundle_at(folder: Path, name: str, bundle: Path) -> None:
    (folder / "bundles").mkdir(exist_ok=True)
    (folder / "bundles" / name).symlink_to(bundle)


def ask(port: int) -> str:
    """Ask for one prediction; gives its id."""
    groups = {"religion": "not mentioned"}
    body = json.dumps({"model": "hate-speech", "inputs": "nice day", "groups": groups}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/predict", body, {"content-type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=600) as reply:
        return str(json.load(reply)["predictions"][0]["id"])


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory, demo: Path) -> Iterator[Reader]:
    """Somebody who serves the demo bundles, and has a table of posts."""
    folder = tmp_path_factory.mktemp("reader")
    for name, bundle in (("mine", demo), (demo.name, demo), (SALARIES.name, SALARIES)):
        bundle_at(folder, name, bundle)
    write_posts(folder / "posts.csv")
    serving = Reader(folder, EVENHAND_DURABILITY="request")
    serving.serve("evenhand serve bundles/hate-speech bundles/government-salary")
    serving.replaced |= {"<id of the prediction>": ask(serving.port), "<id>": ask(serving.port)}
    yield serving
    serving.stop()


def write_posts(path: Path) -> None:
    """Rows with the demo bundle's columns."""
    said, who = (
        ("what a lovely day", "go away", "they are welcome", "nobody wants them"),
        ("not mentioned", "mentioned"),
    )
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["text", "label", "any_group", "religion", "race", "gender", "orientation"])
        for number, (text, religion, label) in enumerate(itertools.product(said, who, ("hate", "not hate"))):
            rows.writerow([f"{text} {number}", label, religion, religion, *["not mentioned"] * 3])


@pytest.mark.parametrize("block", RUNNING, ids=lambda block: block.name)
def test_a_block_beside_the_served_demo_runs(reader: Reader, block: Block) -> None:
    reader.run(block)


@pytest.mark.slow
def test_the_tutorial_runs_in_an_empty_folder_to_a_served_model(tmp_path: Path) -> None:
    (tmp_path / "evenhand").symlink_to(ROOT)  # what the page clones
    follower = Reader(tmp_path)
    said = []
    try:
        for block in blocks("docs/tutorial.md"):
            if block.serves:
                follower.serve(block.code)
            elif block.runs:
                said.append(follower.run(block))
    finally:
        follower.stop()
    assert '"model":"salaries"' in "".join(said)
    assert "certified: yes" in "".join(said)
    assert "joined" in "".join(said)
    assert "holds: " in said[-1]


def test_a_record_is_backed_up_and_restored_as_the_page_says(tmp_path: Path, demo: Path) -> None:
    bundle_at(tmp_path, "mine", demo)
    keeper = Reader(tmp_path, EVENHAND_DURABILITY="request")
    keeper.serve("evenhand serve bundles/mine")
    backing_up, restoring = (block for block in blocks("docs/howto/backup.md") if block.runs)
    try:
        ask(keeper.port)
        assert "holds: " in keeper.run(backing_up)
    finally:
        keeper.stop()
    assert "holds: " in keeper.run(restoring)


@pytest.mark.parametrize("page", PAGES)
def test_what_is_not_run_says_why(page: str) -> None:
    for block in blocks(page):
        assert block.runs or len(block.mark) > len(NOT_RUN) + 10, block.name
    assert (ROOT / page).read_text().count("```sh") + (ROOT / page).read_text().count("```python") == len(
        blocks(page)
    )
