"""The torch engine restores the written model and agrees with the graph; other bundles need no torch."""

import json
import pickle
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load, save, save_file
from tiny_model import ATTRIBUTES, KINDS, TEXT_KINDS, inputs_of, ragged, tiny_fairnet, write_tiny_bundle

from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle.bundle import Bundle, BundleError
from evenhand.models.bundle.manifest import ImageInput, TableInput
from evenhand.models.bundle.runner import Runner, make_runner
from evenhand.models.bundle.runtime_onnx import GraphOutputs, Session
from evenhand.models.network.decision import OffsetsAlone
from evenhand.models.network.fairnet import APPLY, FairNet
from evenhand.models.network.parts import rebuild, save_base
from evenhand.models.onnx.torch_export import PARITY_TOLERANCE, round_to_float16

OFFSETS = ((-0.5, 1.0), (0.25, 0.0))
NEVER, ALWAYS = np.full(2, 2.0, dtype=np.float32), np.zeros(2, dtype=np.float32)


@pytest.fixture(scope="module")
def torch_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_bundle(tmp_path_factory.mktemp("torch") / "tiny", "torch")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_tiny_bundle(tmp_path / "tiny", "torch")


def batch(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    ids, mask = ragged(rows, seed=seed)
    return {"input_ids": ids.numpy(), "attention_mask": mask.numpy()}


def answers(runner: Runner, rows: dict[str, np.ndarray], thresholds: np.ndarray) -> GraphOutputs:
    return runner.run(rows, np.full((len(rows["input_ids"]), len(ATTRIBUTES)), APPLY), thresholds)


def rewrite(folder: Path, name: str, content: bytes) -> None:
    """Change a file and its hash, as somebody who makes a bundle by hand would."""
    (folder / name).write_bytes(content)
    edit(folder, files=bundles.hash_files(folder))


def edit(folder: Path, **changes: object) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))


def refused(folder: Path, session: Session = Session()) -> str:
    with pytest.raises(BundleError) as caught:
        make_runner(bundles.load(folder), session)
    message = str(caught.value)
    assert "\n" not in message
    return message


def written(fairnet: FairNet, kind: str, folder: Path, weights: str = "float32") -> Bundle:
    """What a fit would write of a model of any kind, in memory."""
    save_base(fairnet.split.model, folder, weights)
    fairnet.correction.save(folder / "adapter", "tiny")
    save_file(fairnet.detectors.state_dict(), folder / bundles.DETECTOR)
    manifest = bundles.read_manifest(write_tiny_bundle(folder / "text/tiny", "torch"))[0]
    if kind not in TEXT_KINDS:
        spec = TableInput() if kind == "tabular" else ImageInput()
        manifest = manifest.model_copy(update={"input": spec, "task": spec.kind})
    parts = {name: (folder / name).read_bytes() for name in bundles.model_files(manifest)}
    return Bundle(folder, manifest, "", b"", b"", b"", parts)


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_make_the_model_that_they_were_written_of(kind: str, tmp_path: Path) -> None:
    fairnet, inputs = tiny_fairnet(kind), inputs_of(kind, 6)
    modes = torch.full((6, len(ATTRIBUTES)), APPLY)
    again = rebuild(written(fairnet, kind, tmp_path))
    with torch.no_grad():
        for thresholds in (torch.zeros(2), torch.full((2,), 2.0)):
            expected, outputs = fairnet(inputs, thresholds, modes), again(inputs, thresholds, modes)
            assert all(torch.equal(one, other) for one, other in zip(expected, outputs, strict=True))
    assert not torch.equal(expected.logits, fairnet(inputs, torch.zeros(2), modes).logits)


def test_both_stages_are_restored(tmp_path: Path) -> None:
    fairnet, inputs = tiny_fairnet(), inputs_of("bert", 6)
    modes = torch.full((6, len(ATTRIBUTES)), APPLY)
    fairnet.soft = True
    fairnet.decision.set(OFFSETS)
    hard = fairnet(inputs, torch.zeros(2), modes)
    again = rebuild(with_decision(written(fairnet, "bert", tmp_path), soft=True))
    with torch.no_grad():
        outputs = again(inputs, torch.zeros(2), modes)
    assert torch.equal(outputs.logits, hard.logits)
    assert again.reads == fairnet.reads


def test_a_decision_stage_alone_needs_no_adapter(tmp_path: Path) -> None:
    """A fit of LoRA leaves this if the first stage does best at strength 0."""
    fairnet, inputs = tiny_fairnet(), inputs_of("bert", 6)
    modes = torch.full((6, len(ATTRIBUTES)), APPLY)
    fairnet.correction = OffsetsAlone(fairnet.split)
    fairnet.decision.set(OFFSETS)
    bundle = with_decision(written(tiny_fairnet(), "bert", tmp_path), method="offsets")
    assert not [name for name in bundles.model_files(bundle.manifest) if "adapter_model" in name]
    adapters = [name for name in bundle.parts if "adapter_model" in name]
    few = replace(bundle, parts={name: of for name, of in bundle.parts.items() if name not in adapters})
    with torch.no_grad():
        expected, outputs = (of(inputs, torch.zeros(2), modes) for of in (fairnet, rebuild(few)))
    assert torch.equal(outputs.logits, expected.logits)
    assert not torch.equal(outputs.logits, outputs.base_logits)


def with_decision(bundle: Bundle, **more: object) -> Bundle:
    """The bundle with :data:`OFFSETS` in its manifest."""
    labels = bundle.manifest.labels
    offsets = {name: dict(zip(labels, of, strict=True)) for name, of in zip(ATTRIBUTES, OFFSETS, strict=True)}
    correction = bundle.manifest.correction.model_copy(update={"offsets": offsets, **more})
    return replace(bundle, manifest=bundle.manifest.model_copy(update={"correction": correction}))


def test_float16_values_take_half_the_bytes_and_stay_what_they_are(tmp_path: Path) -> None:
    fairnet = tiny_fairnet()
    round_to_float16(fairnet.split.model)
    full = len(written(fairnet, "bert", tmp_path / "full").parts[bundles.BASE_WEIGHTS])
    half = written(fairnet, "bert", tmp_path / "half", "float16")
    assert len(half.parts[bundles.BASE_WEIGHTS]) < 0.6 * full
    tensors = rebuild(half).split.model.state_dict()
    assert all(
        torch.equal(tensor, tensors[name]) for name, tensor in fairnet.split.model.state_dict().items()
    )


def test_both_engines_agree(torch_bundle: Path, tmp_path: Path) -> None:
    by_torch = make_runner(bundles.load(torch_bundle))
    by_onnx = make_runner(bundles.load(write_tiny_bundle(tmp_path / "tiny")))
    rows = batch(16)
    risk = np.sort(answers(by_torch, rows, NEVER).risk, axis=0)
    between = risk[7:9].mean(axis=0)
    for thresholds in (NEVER, ALWAYS, between):
        one, other = answers(by_torch, rows, thresholds), answers(by_onnx, rows, thresholds)
        assert np.array_equal(one.flagged, other.flagged)
        for name in ("logits", "base_logits", "shadow_logits", "risk"):
            assert np.abs(getattr(one, name) - getattr(other, name)).max() <= PARITY_TOLERANCE
    assert by_torch.providers == ["torch:cpu"]
    assert by_onnx.providers == ["CPUExecutionProvider"]


def test_a_closed_gate_is_the_base_bit_for_bit(torch_bundle: Path) -> None:
    runner, rows = make_runner(bundles.load(torch_bundle)), batch(16)
    with torch.no_grad():
        tensors = {name: torch.from_numpy(array) for name, array in rows.items()}
        base = tiny_fairnet().split.model(**tensors).logits.numpy()
    assert np.array_equal(answers(runner, rows, NEVER).logits, base)
    risk = np.sort(answers(runner, rows, NEVER).risk[:, 0])
    some = answers(runner, rows, np.array([risk[7:9].mean(), 2.0], dtype=np.float32))
    flagged = some.flagged.any(axis=1)
    assert flagged.sum() == 8
    assert np.array_equal(some.base_logits, base)
    assert np.array_equal(some.logits[~flagged], base[~flagged])
    assert not (some.logits[flagged] == base[flagged]).all(axis=1).any()


def test_threads_do_not_see_each_other(torch_bundle: Path) -> None:
    runner = make_runner(bundles.load(torch_bundle))
    batches = [(batch(2 + seed % 5, seed), (ALWAYS, NEVER)[seed % 2]) for seed in range(60)]
    alone = [answers(runner, *one) for one in batches]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda one: answers(runner, *one), batches))
    for one, other in zip(alone, together, strict=True):
        assert np.array_equal(one.logits, other.logits)
        assert np.array_equal(one.base_logits, other.base_logits)


def test_threads_inside_an_operator_are_those_asked_for(torch_bundle: Path) -> None:
    before = torch.get_num_threads()
    try:
        make_runner(bundles.load(torch_bundle), Session(threads=3))
        assert torch.get_num_threads() == 3
        make_runner(bundles.load(torch_bundle), Session())
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_every_changed_byte_is_found(folder: Path) -> None:
    for name in bundles.load(folder).manifest.files:
        content = (folder / name).read_bytes()
        changed = bytearray(content)
        changed[len(changed) // 2] ^= 1
        (folder / name).write_bytes(bytes(changed))
        assert "does not match its hash" in refused(folder)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    "name", ["base/config.json", "base/model.safetensors", "adapter/team/adapter_model.safetensors"]
)
def test_a_manifest_that_leaves_out_a_part_is_refused(folder: Path, name: str) -> None:
    files = json.loads((folder / "manifest.json").read_text())["files"]
    edit(folder, files={file: digest for file, digest in files.items() if file != name})
    assert f"does not list {name}" in refused(folder)


class _Trap:
    """Says so if it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("unpickled",)


def test_a_pickle_is_not_opened(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    rewrite(folder, "base/model.safetensors", pickle.dumps(_Trap()))
    assert "cannot make the model" in refused(folder)
    assert "unpickled" not in capfd.readouterr().out


def test_parts_that_do_not_fit_are_refused(folder: Path) -> None:
    adapter = "adapter/team/adapter_model.safetensors"
    whole = load((folder / adapter).read_bytes())
    some = dict(list(whole.items())[1:])
    rewrite(folder, adapter, save(some))
    assert "the adapter of team does not fit" in refused(folder)
    rewrite(folder, adapter, save({**some, "nobody.lora_A.weight": torch.zeros(8, 32)}))
    assert "the adapter of team does not fit" in refused(folder)
    rewrite(folder, adapter, save(whole))
    make_runner(bundles.load(folder))
    config = json.loads((folder / "base/config.json").read_text())
    rewrite(folder, "base/config.json", b'{"model_type": "t5"}')
    assert "'t5' is not supported for text: it has an encoder and a decoder" in refused(folder)
    rewrite(folder, "base/config.json", json.dumps({**config, "model_type": "no-such"}).encode())
    assert "cannot make the model" in refused(folder)


def test_a_correction_that_torch_cannot_run_is_refused(folder: Path) -> None:
    correction = json.loads((folder / "manifest.json").read_text())["correction"]
    edit(folder, correction={**correction, "method": "leace"})
    assert "the torch engine runs lora and offsets only, not leace" in refused(folder)


def test_a_manifest_that_describes_another_model_is_refused(folder: Path) -> None:
    edit(folder, labels=["positive", "negative", "neutral"])
    assert "the base has 2 labels and 4 blocks, the manifest 3 and 4" in refused(folder)


def test_an_engine_has_the_opset_that_is_its_own(folder: Path) -> None:
    graph = json.loads((folder / "manifest.json").read_text())["graph"]
    edit(folder, graph={**graph, "opset": 20})
    assert "an ONNX graph has an opset" in refused(folder)
    edit(folder, graph={**graph, "engine": "onnx", "opset": 20})
    assert "does not list model.onnx" in refused(folder)


def test_it_runs_where_it_was_asked_to_or_not_at_all(torch_bundle: Path) -> None:
    assert "runs ONNX graphs only" in refused(torch_bundle, Session(providers=("TensorrtExecutionProvider",)))
    if not torch.cuda.is_available():
        assert "torch finds no CUDA device" in refused(
            torch_bundle, Session(providers=("CUDAExecutionProvider",))
        )


WITHOUT_TORCH = "import sys; sys.modules['torch'] = None; sys.argv = ['evenhand', *sys.argv[1:]]\n"


def without_torch(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = WITHOUT_TORCH + "from evenhand.cli.main import app; app()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def test_without_torch_the_bundle_says_what_to_install_and_others_are_served(
    torch_bundle: Path, demo: Path
) -> None:
    for command, code in ((("bundle", "verify"), 1), (("serve",), 2), (("serve", "--workers", "2"), 2)):
        process = without_torch(*command, torch_bundle)
        assert process.returncode == code
        assert "this bundle needs the torch engine, and torch is not here" in process.stderr
        assert "install evenhand with its extra `torch`" in process.stderr
        assert process.stderr.count("\n") == 1
    assert without_torch("bundle", "verify", demo).returncode == 0


def test_a_manifest_from_before_there_were_engines_means_onnx(tmp_path: Path) -> None:
    folder = write_tiny_bundle(tmp_path / "tiny")
    graph = json.loads((folder / "manifest.json").read_text())["graph"]
    del graph["engine"]
    edit(folder, graph=graph)
    assert bundles.load(folder).manifest.graph.engine == "onnx"
