"""Text classifiers of other libraries in the bundle's graph: their own answers, alone and in company."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import onnx
import onnxruntime as ort
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from onnx import helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic
from scipy.special import softmax
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import TruncatedSVD
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import (
    CountVectorizer,
    HashingVectorizer,
    TfidfTransformer,
    TfidfVectorizer,
)
from sklearn.feature_selection import SelectKBest, chi2
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.naive_bayes import ComplementNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.svm import LinearSVC
from text_boxes import taught, text_table, write_onnx
from xgboost import XGBClassifier

from evenhand.models.bundle.encoders.text import TextEncoder
from evenhand.models.bundle.inputs import Encoded, collate
from evenhand.training.boxes.parity import ProvenBox
from evenhand.training.boxes.text_box import TextBox, read_text
from evenhand.training.boxes.text_parity import prove_text, token_logits
from evenhand.training.data.dataset import DataError

ODD = [
    "!!!",
    "Good GOOD good film",
    "ΟΔΟΣ naïve x² the film",
    "zzz",
    "bad bad bad meal they we red blue beta alpha",
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("texts")


@pytest.fixture(scope="module")
def table(place: Path) -> pd.DataFrame:
    return text_table(place / "rows", 700)


@pytest.fixture(scope="module")
def bert(place: Path, table: pd.DataFrame) -> Path:
    return write_onnx(place / "bert", taught(table), external_data=False)


def texts_of(table: pd.DataFrame) -> list[str]:
    return [*ODD, *table["text"]]


def encoded(box: TextBox, texts: list[str]) -> list[Encoded]:
    return [TextEncoder(box.tokenizer, box.spec).encode(text) for text in texts]


def prove(box: TextBox, texts: list[str], classes: int = 2) -> ProvenBox:
    return prove_text(box, encoded(box, texts), texts, classes)


PIPELINES: dict[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(TfidfVectorizer(), LogisticRegression()),
    "bigrams": lambda: make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2, strip_accents="unicode"),
        LogisticRegression(),
    ),
    "stops": lambda: make_pipeline(
        TfidfVectorizer(ngram_range=(1, 3), stop_words=["the", "film"], norm="l1", binary=True),
        LogisticRegression(),
    ),
    "svc": lambda: make_pipeline(CountVectorizer(token_pattern=r"\w+"), CalibratedClassifierCV(LinearSVC())),
    "sgd": lambda: make_pipeline(
        CountVectorizer(ngram_range=(2, 2)),
        TfidfTransformer(),
        SGDClassifier(loss="log_loss", random_state=0),
    ),
    "bayes": lambda: make_pipeline(TfidfVectorizer(use_idf=False, norm=None), MultinomialNB()),
    "complement": lambda: make_pipeline(CountVectorizer(binary=True), ComplementNB()),
    "forest": lambda: make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2)), RandomForestClassifier(10, random_state=0)
    ),
    "chosen": lambda: make_pipeline(TfidfVectorizer(), SelectKBest(chi2, k=8), LogisticRegression()),
    "latent": lambda: make_pipeline(TfidfVectorizer(), TruncatedSVD(4, random_state=0), LogisticRegression()),
    "lightgbm": lambda: make_pipeline(
        TfidfVectorizer(), LGBMClassifier(n_estimators=10, verbose=-1, n_jobs=1)
    ),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_a_pipeline_answers_as_its_library_on_all_rows(
    name: str, table: pd.DataFrame, tmp_path: Path
) -> None:
    train = table[table["split"] == "train"]
    model = PIPELINES[name]().fit(train["text"], train["label"])
    joblib.dump(model, tmp_path / "m.joblib")
    box, texts = read_text(tmp_path / "m.joblib"), texts_of(table)
    proven = prove(box, texts)
    assert (proven.rows, box.labels) == (len(texts), ("negative", "positive"))
    logits = token_logits(proven.graph, encoded(box, texts), box.spec.pad_id)
    assert np.abs(softmax(logits.astype(float), axis=1) - model.predict_proba(texts)).max() < 1e-6
    assert (np.array(box.labels)[logits.argmax(axis=1)] == model.predict(texts)).all()
    operators = {node.op_type for node in onnx.load_model_from_string(proven.graph).graph.node}
    assert ("MatMul" in operators) >= (name in ("logistic", "bigrams", "stops", "sgd", "bayes"))


def test_three_labels_and_words_that_xgboost_takes_for_missing(table: pd.DataFrame, tmp_path: Path) -> None:
    train = table[table["split"] == "train"]
    for model, codes in (
        (make_pipeline(TfidfVectorizer(), LogisticRegression()), train["team"]),
        (
            make_pipeline(TfidfVectorizer(), XGBClassifier(n_estimators=5, n_jobs=1)),
            train["team"].map({"none": 0, "alpha": 1, "beta": 2}),
        ),
    ):
        joblib.dump(model.fit(train["text"], codes), tmp_path / f"{type(model[-1]).__name__}.joblib")
        box = read_text(tmp_path / f"{type(model[-1]).__name__}.joblib")
        texts = texts_of(table)
        logits = token_logits(prove(box, texts, 3).graph, encoded(box, texts), box.spec.pad_id)
        assert np.abs(softmax(logits.astype(float), axis=1) - model.predict_proba(texts)).max() < 1e-6


@pytest.mark.parametrize(
    ("model", "says"),
    [
        (make_pipeline(TfidfVectorizer(), LinearSVC()), "CalibratedClassifierCV"),
        (
            make_pipeline(HashingVectorizer(n_features=16), LogisticRegression()),
            "begins with HashingVectorizer",
        ),
        (make_pipeline(TfidfVectorizer(analyzer="char"), LogisticRegression()), "analyzer='char'"),
        (
            make_pipeline(TfidfVectorizer(), FunctionTransformer(abs), LogisticRegression()),
            "to ONNX",
        ),
        (CalibratedClassifierCV(make_pipeline(TfidfVectorizer(), LinearSVC())), "begins with Calibrated"),
    ],
)
def test_a_pipeline_that_cannot_come(model: Any, says: str, table: pd.DataFrame, tmp_path: Path) -> None:
    joblib.dump(model.fit(table["text"], table["label"]), tmp_path / "m.joblib")
    with pytest.raises(DataError) as error:
        prove(read_text(tmp_path / "m.joblib"), texts_of(table))
    assert says in str(error.value)
    assert len(str(error.value).splitlines()) <= 2


def test_a_file_of_onnx_answers_bit_for_bit_alone_and_in_company(bert: Path, table: pd.DataFrame) -> None:
    box, texts = read_text(bert), texts_of(table)
    assert (box.labels, box.spec.max_tokens) == (("negative", "positive"), 512)
    graph, rows = prove(box, texts).graph, encoded(box, texts)
    own = ort.InferenceSession(str(bert / "model.onnx"), providers=["CPUExecutionProvider"])
    ours = ort.InferenceSession(graph, providers=["CPUExecutionProvider"])
    for some in ([rows[0]], [rows[4]], rows[:5], rows[100:164]):
        arrays = collate(some, box.spec.pad_id)
        assert (ours.run(None, arrays)[0] == own.run(None, arrays)[0]).all()


@pytest.mark.parametrize("opset", [11, 14, 17])
def test_a_file_of_an_older_opset_stays_bit_for_bit(
    opset: int, place: Path, table: pd.DataFrame, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_onnx(place / f"opset-{opset}", taught(table, steps=5), opset=opset)
    box, texts = read_text(folder), texts_of(table)[:80]
    graph, rows = prove(box, texts).graph, encoded(box, texts)
    assert "bit for bit" in capsys.readouterr().err
    own = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    arrays = collate(rows, box.spec.pad_id)
    expected = own.run(None, arrays)[0]
    assert (
        ort.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, arrays)[0] == expected
    ).all()


def test_activations_quantised_over_a_batch_are_refused(place: Path, table: pd.DataFrame) -> None:
    folder = write_onnx(place / "float", taught(table), opset=17)
    out = changed(folder, place / "int8", lambda model: None)
    quantize_dynamic(str(folder / "model.onnx"), str(out / "model.onnx"))
    with pytest.raises(DataError, match="depends on padding or on the rows beside it"):
        prove(read_text(out), texts_of(table))


def test_weights_in_files_beside_the_model_are_read(place: Path, table: pd.DataFrame, bert: Path) -> None:
    apart = write_onnx(place / "apart", taught(table))
    assert (apart / "model.onnx.data").is_file()
    rows = encoded(read_text(bert), ODD)
    graphs = [prove(read_text(folder), ODD).graph for folder in (bert, apart)]
    assert (token_logits(graphs[0], rows, 0) == token_logits(graphs[1], rows, 0)).all()
    (apart / "model.onnx.data").unlink()
    with pytest.raises(DataError, match=r"not a valid ONNX model"):
        read_text(apart / "model.onnx")


def test_a_model_that_reads_kinds_of_tokens_and_gives_probabilities(place: Path, table: pd.DataFrame) -> None:
    names = ("input_ids", "attention_mask", "token_type_ids")
    folder = write_onnx(place / "three", taught(table), names, probabilities=True, external_data=False)
    box = read_text(folder / "model.onnx")
    assert box.spec.type_ids
    rows = encoded(box, texts_of(table))
    logits = token_logits(prove(box, texts_of(table)).graph, rows, 0)
    own = ort.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])
    expected = own.run(None, collate(rows[:64], 0))[0]
    assert np.abs(softmax(logits[:64].astype(float), axis=1) - expected).max() < 1e-6


def changed(folder: Path, out: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    """A copy of a model folder whose graph was changed."""
    out.mkdir()
    for name in ("tokenizer.json", "config.json", "tokenizer_config.json"):
        (out / name).write_bytes((folder / name).read_bytes())
    model = onnx.load(str(folder / "model.onnx"))
    change(model)
    (out / "model.onnx").write_bytes(model.SerializeToString())
    return out


def test_an_answer_that_depends_on_the_rows_beside_it_is_refused(bert: Path, tmp_path: Path) -> None:
    def mean_over_the_batch(model: onnx.ModelProto) -> None:
        for node in model.graph.node:
            node.output[:] = ["own" if name == "logits" else name for name in node.output]
        axes = numpy_helper.from_array(np.array([0]), "axes")
        model.graph.initializer.append(axes)
        model.graph.node.append(helper.make_node("ReduceMean", ["own", "axes"], ["mean"], keepdims=1))
        model.graph.node.append(helper.make_node("Add", ["own", "mean"], ["logits"]))

    box = read_text(changed(bert, tmp_path / "mixed", mean_over_the_batch))
    with pytest.raises(DataError, match="depends on padding or on the rows beside it"):
        prove(box, ODD)


def test_inputs_that_no_tokenizer_gives(bert: Path, tmp_path: Path) -> None:
    def fixed(model: onnx.ModelProto) -> None:
        for value in model.graph.input:
            value.type.tensor_type.shape.dim[0].dim_value = 1

    with pytest.raises(DataError, match=r"has the shape \(1, free\): export it with free axes"):
        read_text(changed(bert, tmp_path / "fixed", fixed))

    def renamed(model: onnx.ModelProto) -> None:
        model.graph.input[0].name = "ids"
        for node in model.graph.node:
            node.input[:] = ["ids" if name == "input_ids" else name for name in node.input]

    with pytest.raises(DataError, match="it takes ids, attention_mask; a text model is read over input_ids"):
        read_text(changed(bert, tmp_path / "renamed", renamed))


def test_a_tokenizer_of_another_model(bert: Path, tmp_path: Path) -> None:
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel

    words = {f"word{place}": place for place in range(100)}
    Tokenizer(WordLevel(words, unk_token="word0")).save(str(tmp_path / "other.json"))
    box = read_text(bert / "model.onnx", tmp_path / "other.json")
    with pytest.raises(DataError, match="highest token is 99, and the model does not take it"):
        prove(box, ["word1 word2", "word3"])


def test_a_row_longer_than_the_model_reads(bert: Path, tmp_path: Path) -> None:
    folder = changed(bert, tmp_path / "silent", lambda model: None)
    for name in ("config.json", "tokenizer_config.json"):
        (folder / name).write_text("{}")
    box = read_text(folder, max_tokens=600)
    assert box.labels == ()
    with pytest.raises(DataError, match="does not take a row of 600 tokens; say with --max-tokens"):
        prove(box, ODD)
    assert read_text(bert, max_tokens=600).spec.max_tokens == 512


@pytest.mark.parametrize(
    ("files", "name", "says"),
    [
        ((), ".", "expected model.onnx in it"),
        (("a.onnx", "b.onnx"), ".", "a.onnx, b.onnx there"),
        (("model.onnx",), ".", "no tokenizer.json beside model.onnx"),
        (("model.onnx",), "model.onnx", "no tokenizer.json beside model.onnx"),
        (("model.onnx", "tokenizer.json"), ".", "not a valid ONNX model"),
        (("m.safetensors",), "m.safetensors", "for texts a file ending in .onnx, .joblib"),
        ((), "none.onnx", "no such file or folder"),
    ],
)
def test_files_that_are_missing(files: tuple[str, ...], name: str, says: str, tmp_path: Path) -> None:
    for file in files:
        (tmp_path / file).write_bytes(b"nothing")
    with pytest.raises(DataError) as error:
        read_text(tmp_path / name)
    assert says in str(error.value)


def test_a_head_that_answers_otherwise(bert: Path, tmp_path: Path) -> None:
    folder = changed(bert, tmp_path / "multi", lambda model: None)
    (folder / "config.json").write_text('{"problem_type": "multi_label_classification"}')
    with pytest.raises(DataError, match="multi-label"):
        read_text(folder)


def test_options_that_a_pipeline_does_not_read(table: pd.DataFrame, tmp_path: Path) -> None:
    joblib.dump(PIPELINES["logistic"]().fit(table["text"], table["label"]), tmp_path / "m.pkl")
    with pytest.raises(DataError, match=r"--max-tokens does nothing with m\.pkl"):
        read_text(tmp_path / "m.pkl", max_tokens=64)
    with pytest.raises(DataError, match=r"--tokenizer does nothing with m\.pkl"):
        read_text(tmp_path / "m.pkl", tmp_path / "tokenizer.json")
