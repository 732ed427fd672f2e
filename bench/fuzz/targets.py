"""Targets that read requests of clients and files on a service's disk: bundles, spool, the record's key."""

from __future__ import annotations

import atexit
import base64
import contextlib
import io
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from onnx import TensorProto, helper
from PIL import Image

from bench import prepare
from bench.fuzz.target import SCALAR, VALUE, Target, folder, mutated
from evenhand.models.bundle import bundle as bundles
from evenhand.models.bundle import reference
from evenhand.models.bundle.bundle import BundleError
from evenhand.models.bundle.encoders.choose import make_encoder
from evenhand.models.bundle.encoders.image import ImageEncoder
from evenhand.models.bundle.encoders.table import TableEncoder
from evenhand.models.bundle.encoders.text import TextEncoder
from evenhand.models.bundle.inputs import Encoder, InputError
from evenhand.models.bundle.manifest import PairInput, TextInput
from evenhand.models.bundle.runtime_onnx import GraphRunner
from evenhand.service.audit import digest_keys
from evenhand.service.audit.chain import Event
from evenhand.service.audit.record_batch import RecordBatch
from evenhand.service.audit.spool import Spool
from evenhand.service.errors import ServiceError
from evenhand.service.oip import codec, tensors


def images() -> list[bytes]:
    """Small images of every mode and kind that the encoder may meet."""
    encoded = []
    kinds = [(mode, "PNG") for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    kinds += [(mode, "JPEG") for mode in ("L", "RGB", "CMYK")]
    for mode, kind in kinds:
        file = io.BytesIO()
        options: dict[str, Any] = {"icc_profile": b"a" * 3000}
        if kind == "JPEG":
            exif = Image.Exif()
            exif[0x0112] = 6
            options |= {"exif": exif, "progressive": mode == "L"}
        Image.new(mode, (9, 7)).save(file, kind, **options)
        encoded.append(file.getvalue())
    file = io.BytesIO()
    Image.new("RGB", (9, 7)).save(file, "PNG", save_all=True, append_images=[Image.new("RGB", (9, 7), "red")])
    return [*encoded, file.getvalue()]


TABLE = {
    "numeric": [{"name": "age", "mean": 40.0, "scale": 10.0}],
    "categorical": [{"name": "school", "categories": ["BSc", "MSc"]}],
}
TOKENIZER_FILE = "preprocess/tokenizer.json"
TOKENIZER = (prepare.BUNDLE / TOKENIZER_FILE).read_bytes()


def _text(kind: str) -> Target:
    spec = (
        TextInput(max_tokens=64, pad_id=0)
        if kind == "text"
        else PairInput(max_tokens=64, pad_id=0, type_ids=True)
    )
    names = ["text"] if kind == "text" else ["text", "text_pair"]
    item = VALUE | st.fixed_dictionaries({name: SCALAR for name in names})
    return Target(item, TextEncoder(TOKENIZER, spec).encode, (InputError,))


def _table() -> Target:
    item = VALUE | st.fixed_dictionaries({}, optional={"age": VALUE, "school": VALUE})
    return Target(item, TableEncoder(json.dumps(TABLE).encode()).encode, (InputError,))


def _image() -> Target:
    encoder = ImageEncoder(b'{"size": 32, "shortest_edge": 40}')
    encoded = mutated(images()).map(lambda content: {"image": base64.b64encode(content).decode()})
    return Target(mutated(images()) | encoded | VALUE, encoder.encode, (InputError,), tuple(images()))


def _asking(encoder: Encoder, kind: str) -> Callable[[tuple[bytes, Any]], None]:
    """Reads a request of the Open Inference Protocol as the service would."""

    def act(message: tuple[bytes, Any]) -> None:
        body, header = message
        request = codec.decode(body, header, 1024)
        for item in tensors.to_items(request.inputs, encoder, kind):
            try:
                encoder.encode(item)
            except InputError:
                continue

    return act


def _oip() -> Target:
    raw = codec.SIZE.pack(1) + b"a"
    entry = {"name": "text", "datatype": "BYTES", "shape": [1]}
    binary = json.dumps({"inputs": [{**entry, "parameters": {"binary_data_size": len(raw)}}]}).encode()
    plain = json.dumps(
        {"id": "a", "inputs": [{**entry, "data": ["a"]}], "outputs": [{"name": "label"}]}
    ).encode()
    encoder = TextEncoder(TOKENIZER, TextInput(max_tokens=64, pad_id=0))
    entries = st.fixed_dictionaries(
        {
            "name": st.just("text"),
            "datatype": st.sampled_from([*codec.DATATYPES, "X"]),
            "shape": VALUE | st.just([2]),
        },
        optional={"data": VALUE | st.lists(SCALAR), "parameters": VALUE | st.just({"binary_data_size": 5})},
    )
    made = st.builds(lambda inputs: json.dumps({"inputs": inputs}).encode(), st.lists(entries, max_size=3))
    header = st.none() | st.just(str(len(binary)).encode()) | st.binary(max_size=8)
    return Target(
        st.tuples(mutated([binary + raw, plain]) | made, header),
        _asking(encoder, "text"),
        (ServiceError,),
        (plain, binary + raw),
        lambda body: (body, b"%d" % len(binary) if body[: len(binary)] == binary else None),
    )


def _tensors() -> Target:
    """Binary tensors of every type for a table: invalid numbers, wrong sizes, bytes that are no text."""
    encoder = TableEncoder(json.dumps(TABLE).encode())

    @st.composite
    def request(draw: st.DrawFn) -> tuple[bytes, bytes]:
        rows, entries, blobs = draw(st.integers(0, 3)), [], []
        for name in draw(st.lists(st.sampled_from(["age", "school", "x"]), min_size=1, max_size=3)):
            kind = draw(st.sampled_from(codec.DATATYPES))
            if kind == "BYTES":
                texts = draw(st.lists(st.binary(max_size=8), min_size=rows, max_size=rows))
                blob = b"".join(codec.SIZE.pack(len(text)) + text for text in texts)
            else:
                size = rows * np.dtype(codec.DTYPES[kind]).itemsize
                blob = draw(st.binary(min_size=size, max_size=size))
            blobs.append(draw(st.just(blob) | mutated([blob])))
            size = draw(st.just(len(blobs[-1])) | st.integers(-1, 2**70))
            shape = draw(st.sampled_from([[rows], [rows, 1], [1, rows], [rows, 2**62, 2**62]]))
            entries.append(
                {"name": name, "datatype": kind, "shape": shape, "parameters": {"binary_data_size": size}}
            )
        head = json.dumps({"inputs": entries}).encode()
        return head + b"".join(blobs), b"%d" % len(head)

    return Target(request(), _asking(encoder, "table"), (ServiceError,))


def graphs() -> list[bytes]:
    """Small graphs: one that needs nothing else, and some whose tensor lies in a file."""
    serialised = []
    for place in ("", "weights.bin", "../weights.bin", "/etc/passwd", "preprocess/tokenizer.json"):
        tensor = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
        if place:
            tensor.ClearField("float_data")
            tensor.data_location = TensorProto.EXTERNAL
            entry = tensor.external_data.add()
            entry.key, entry.value = "location", place
        ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in ("modes", "logits")]
        nodes = [helper.make_node("Add", ["modes", "w"], ["logits"])]
        graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], [tensor])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        serialised.append(model.SerializeToString())
    return serialised


def _bundle() -> Target:
    """A bundle with one broken file and its right digest: an attacker can compute digests, too."""
    place = Path(tempfile.mkdtemp(prefix="evenhand-fuzz-"))
    atexit.register(shutil.rmtree, place)
    shutil.copytree(prepare.BUNDLE, place, dirs_exist_ok=True)
    seeds = graphs()
    (place / bundles.GRAPH).write_bytes(seeds[0])
    described = json.loads((place / bundles.MANIFEST).read_bytes())
    contents = {name: (place / name).read_bytes() for name in described["files"]}
    contents[bundles.MANIFEST] = json.dumps(
        {**described, "files": {name: bundles.hash_bytes(content) for name, content in contents.items()}}
    ).encode()
    (place / bundles.MANIFEST).write_bytes(contents[bundles.MANIFEST])

    def act(file: tuple[str, bytes]) -> None:
        name, content = file
        (place / name).write_bytes(content)
        if name != bundles.MANIFEST:
            manifest = json.loads(contents[bundles.MANIFEST])
            manifest["files"][name] = bundles.hash_bytes(content)
            (place / bundles.MANIFEST).write_text(json.dumps(manifest))
        try:
            bundle = bundles.load(place)
            if name == bundles.GRAPH:
                GraphRunner(bundle)
            with contextlib.suppress(ValueError):  # the loader makes a BundleError of it
                reference.read(bundle.reference, bundle.evaluation)
                if name == TOKENIZER_FILE:
                    make_encoder(bundle.preprocess, bundle.manifest.input)
        finally:
            for changed in (name, bundles.MANIFEST):
                (place / changed).write_bytes(contents[changed])

    names = [bundles.MANIFEST, bundles.REFERENCE, bundles.EVALUATION]
    broken = [st.tuples(st.just(name), mutated([contents[name]])) for name in names]
    broken.append(st.tuples(st.just(bundles.GRAPH), mutated(seeds)))
    encoder = st.tuples(st.just(TOKENIZER_FILE), mutated([contents[TOKENIZER_FILE]]))
    inputs = st.integers(0, 39).flatmap(
        lambda number: encoder if number == 0 else st.one_of(broken)
    )  # it reads slowly
    return Target(inputs, act, (BundleError,))


def _spool() -> Target:
    with tempfile.TemporaryDirectory() as place:
        spool = Spool(Path(place), lambda _: None)
        for number in range(3):
            spool.append(
                RecordBatch([Event(str(number), "label", number, "{}")], {"a": "{}"}, [("p", "sex", "f", 1)])
            )
        (seed,) = [file.read_bytes() for file in Path(place).iterdir()]

    def act(file: Path) -> None:
        spool = Spool(file.parent, lambda _: None)
        spool.adopt()
        while spool.oldest(2):
            spool.drop()
        spool.close()

    return folder(
        act, {"a.spool": [seed, b"00000000 ffffffff 00000001 \n", b"0 ffffffffffffffffffffff 0 \n"]}, ()
    )


TARGETS: dict[str, Callable[[], Target]] = {
    "text": lambda: _text("text"),
    "pair": lambda: _text("pair"),
    "table": _table,
    "image": _image,
    "oip": _oip,
    "tensors": _tensors,
    "bundle": _bundle,
    "spool": _spool,
    "keys": lambda: folder(digest_keys.load_keys, {"record.key": [b"00" * 32]}, (digest_keys.KeyFileError,)),
}
"""By name; made at its first use."""
