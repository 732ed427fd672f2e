"""``FairClassifier`` as a user of scikit-learn has it: rules of estimators, frames, fallbacks, the bundle."""

import os
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from library_rows import AIM, FEATURES, fitted, people, score_alone, true_positive_gap
from sklearn import config_context
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.svm import LinearSVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from evenhand import FairClassifier, NotCorrectedWarning, load_bundle

FRESH = people(1500, seed=5)
TINY = people(60, seed=1)


@pytest.fixture(scope="module")
def classifier() -> FairClassifier:
    return fitted()


@pytest.mark.filterwarnings("ignore::evenhand.NotCorrectedWarning")
@parametrize_with_checks(
    [FairClassifier(LogisticRegression()), FairClassifier(HistGradientBoostingClassifier(max_iter=5))]
)
def test_scikit_learns_own_checks_pass(estimator: FairClassifier, check) -> None:
    check(estimator)


def test_the_gap_closes_on_new_rows_without_a_group(classifier: FairClassifier) -> None:
    assert classifier.certified_
    assert classifier.warnings_ == ()
    assert classifier.certificate_["alpha"] == 0.05
    predicted, alone = classifier.predict(FRESH[FEATURES]), classifier.estimator_.predict(FRESH[FEATURES])
    assert true_positive_gap(FRESH, alone) > 0.4
    assert true_positive_gap(FRESH, predicted) < 0.15
    assert (predicted == FRESH["label"]).mean() > (alone == FRESH["label"]).mean()


def test_the_estimator_learnt_from_its_own_part_of_the_rows_alone(classifier: FairClassifier) -> None:
    rows = classifier.bundle_.manifest.provenance.rows
    assert rows == {"train": 1866, "held": 700, "tune": 234, "val": 600, "test": 600}
    split = load_bundle(written(classifier)).split.decode().splitlines()[1:]
    train = [int(line.split(",")[0]) for line in split if line.endswith(",train")]
    table = people()
    alone = clone(score_alone()).fit(table[FEATURES].iloc[train], table["label"].iloc[train])
    assert (alone[-1].coef_ == classifier.estimator_[-1].coef_).all()


def written(classifier: FairClassifier) -> Path:
    import tempfile

    return classifier.save(Path(tempfile.mkdtemp()) / "bundle")


def test_ranges_make_groups_of_a_number() -> None:
    table = people()
    rng = np.random.default_rng(2)
    age = pd.Series(
        np.where(table["sex"] == "female", rng.integers(18, 40, 4000), rng.integers(40, 66, 4000))
    )
    by_age = FairClassifier(score_alone(), ranges={"age": ("<25", "25-39", "40+")}, **AIM)
    by_age.fit(table[FEATURES], table["label"], sensitive_features={"age": age})
    (attribute,) = by_age.bundle_.manifest.attributes
    assert set(attribute.groups) == {"<25", "25-39", "40+"}
    assert attribute.groups[0] == "40+"  # the most frequent one
    assert by_age.certified_
    assert true_positive_gap(FRESH, by_age.predict(FRESH[FEATURES])) < 0.2
    assert clone(by_age).ranges == by_age.ranges


def test_a_row_that_is_not_flagged_has_the_estimators_answer(classifier: FairClassifier) -> None:
    served = classifier.bundle_.answer(classifier.bundle_.rows_of(FRESH[FEATURES]))
    still = ~served.flagged.any(axis=1)
    assert 100 < still.sum() < len(FRESH) - 100
    alone = classifier.estimator_.predict_proba(FRESH[FEATURES])
    assert np.abs(classifier.predict_proba(FRESH[FEATURES]) - alone)[still].max() < 1e-6
    assert np.abs(classifier.predict_proba(FRESH[FEATURES]) - alone)[~still].max() > 0.1


def test_probabilities_are_in_the_order_of_the_classes(classifier: FairClassifier) -> None:
    scores = classifier.predict_proba(FRESH[FEATURES])
    assert np.allclose(scores.sum(axis=1), 1.0)
    assert (classifier.classes_[scores.argmax(axis=1)] == classifier.predict(FRESH[FEATURES])).all()
    assert classifier.feature_names_in_.tolist() == FEATURES
    assert classifier.n_features_in_ == 3


@pytest.mark.parametrize(
    "frame",
    [
        pl.from_pandas(FRESH[FEATURES]),
        FRESH[FEATURES].astype({"district": "category", "years": "Int16"}),
        FRESH[FEATURES].astype({"district": object}).set_index(np.arange(len(FRESH)) * 7),
        pl.from_pandas(FRESH[FEATURES]).with_columns(pl.col("district").cast(pl.Categorical)),
    ],
    ids=["polars", "categories", "objects", "polars categories"],
)
def test_frames_of_every_kind_get_the_same_answers(classifier: FairClassifier, frame) -> None:
    assert (classifier.predict(frame) == classifier.predict(FRESH[FEATURES])).all()


def test_a_frame_with_other_columns_is_refused(classifier: FairClassifier) -> None:
    with pytest.raises(ValueError, match="feature names"):
        classifier.predict(FRESH[["score", "years"]])
    with pytest.raises(ValueError, match="feature 'score' is not a number"):
        classifier.predict(FRESH[FEATURES].assign(score="high"))


def test_it_can_be_pickled_and_cloned(classifier: FairClassifier) -> None:
    again = pickle.loads(pickle.dumps(classifier))
    assert (again.predict(FRESH[FEATURES]) == classifier.predict(FRESH[FEATURES])).all()
    fresh = clone(classifier)
    assert fresh.get_params(deep=False).keys() == classifier.get_params(deep=False).keys()
    assert not hasattr(fresh, "bundle_")


def test_a_saved_bundle_holds_no_pickle_and_is_not_overwritten(
    classifier: FairClassifier, tmp_path: Path
) -> None:
    folder = classifier.save(tmp_path / "bundle")
    manifest = load_bundle(folder).manifest
    assert manifest.name == "hiring"
    assert manifest.provenance.settings["box"]["held_out"]
    assert not [file for file in folder.rglob("*") if file.suffix in (".joblib", ".pkl", ".pickle")]
    assert "came from memory (Pipeline" in (folder / "MODEL_CARD.md").read_text()
    with pytest.raises(FileExistsError, match="remove it or choose another folder"):
        classifier.save(folder)


def test_the_report_shows_losses_beside_gains(classifier: FairClassifier) -> None:
    report = classifier.report()
    words = {cell.name: cell.word for cell in report.cells}
    assert words["sex = female, hired"] == "gains"
    assert words["sex = female, not hired"] == "loses"
    assert report.cells[0].word == "loses"
    page = report._repr_html_()
    assert "<html" not in page
    assert page.count("<tr") == 2 + len(report.cells) + len(report.figures)
    for part in (page, str(report)):
        assert "certified on validation rows" in part
        assert "sex = female, not hired" in part


def test_without_groups_it_is_the_estimator_and_says_so() -> None:
    with pytest.warns(NotCorrectedWarning, match="no sensitive_features were given") as caught:
        classifier = FairClassifier(score_alone()).fit(TINY[FEATURES], TINY["label"])
    assert caught[0].filename == __file__
    alone = score_alone().fit(TINY[FEATURES], TINY["label"])
    assert (classifier.predict_proba(TINY[FEATURES]) == alone.predict_proba(TINY[FEATURES])).all()
    assert classifier.bundle_ is None
    assert "no sensitive_features were given" in str(classifier.report())
    assert "no sensitive_features were given" in classifier.report()._repr_html_()
    with pytest.raises(ValueError, match=r"there is no bundle: .*no sensitive_features"):
        classifier.save("never-written")


@pytest.mark.parametrize(
    ("rows", "labels", "groups", "why"),
    [
        (12, None, None, "of 8 training rows leaves too few of every label"),
        (60, None, ["one"] * 60, "needs two groups"),
        (60, ["nan", "yes"] * 30, None, "reads as a missing label"),
    ],
)
def test_data_that_cannot_be_learnt_from_leaves_the_estimator(rows, labels, groups, why) -> None:
    table = TINY.iloc[:rows]
    y = table["label"] if labels is None else np.array(labels)
    aim = AIM if labels is None else {**AIM, "favourable": "yes"}
    with pytest.warns(NotCorrectedWarning, match=why):
        classifier = FairClassifier(score_alone(), **aim).fit(
            table[FEATURES], y, sensitive_features=table["sex"] if groups is None else groups
        )
    alone = score_alone().fit(table[FEATURES], y)
    assert (classifier.predict(table[FEATURES]) == alone.predict(table[FEATURES])).all()
    assert "--" not in classifier.warnings_[0]


def test_an_estimator_that_cannot_be_converted_answers_alone() -> None:
    table = people(400)
    with pytest.warns(NotCorrectedWarning, match="LinearSVC has no predict_proba"):
        classifier = FairClassifier(LinearSVC(), **AIM).fit(
            table[["score", "years"]], table["label"], sensitive_features=table["sex"]
        )
    assert not hasattr(classifier, "predict_proba")
    assert len(classifier.predict(table[["score", "years"]])) == 400


@pytest.mark.parametrize(
    ("options", "groups", "why"),
    [
        ({"target": "fairness"}, TINY["sex"], "a measure is one of worst-cell"),
        ({"target": {"age": "worst-cell"}}, TINY["sex"], "no sensitive feature: sex"),
        ({"references": {"age": "old"}}, TINY["sex"], "no sensitive feature: sex"),
        ({"ranges": {"age": ("0-9", "10+")}}, TINY["sex"], "ranges names 'age', no sensitive feature: sex"),
        ({"ranges": {"sex": ("young", "old")}}, TINY["sex"], "ranges of 'sex': 'young' is no range"),
        ({"method": "lora"}, TINY["sex"], "is corrected by .*offsets"),
        ({"max_loss": -1}, TINY["sex"], "max_loss=-1: points of accuracy"),
        ({"max_loss": None}, TINY["sex"], "max_loss=None: points of accuracy"),
        ({"hold_out": 1.0}, TINY["sex"], "hold_out=1.0: a share"),
        ({"name": "a/b"}, TINY["sex"], "name='a/b': at most 64 letters"),
        ({"favourable": "fired"}, TINY["sex"], "must be some, not all"),
        ({}, TINY["sex"][:-1], "sex has 59 values, and X has 60 rows"),
        ({}, {"score": TINY["sex"]}, "also a column of X, with other values"),
        ({}, pd.DataFrame(index=TINY.index), "sensitive_features has no column"),
    ],
)
def test_a_wrong_argument_is_an_error_and_no_warning(options, groups, why) -> None:
    classifier = FairClassifier(score_alone(), **{**AIM, **options})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ValueError, match=why):
            classifier.fit(TINY[FEATURES], TINY["label"], sensitive_features=groups)


def test_of_three_classes_the_favourable_one_must_be_named() -> None:
    labels = np.arange(len(TINY)) % 3
    with pytest.raises(ValueError, match=r"which of the classes \[0, 1, 2\] is good for the person"):
        FairClassifier(score_alone()).fit(TINY[FEATURES], labels, sensitive_features=TINY["sex"])


def test_a_split_of_ones_own_is_checked() -> None:
    split = ["train"] * 58 + ["val", "exam"]
    with pytest.raises(ValueError, match="split='exam': it is one of train, val, test"):
        FairClassifier(score_alone(), **AIM).fit(
            TINY[FEATURES], TINY["label"], sensitive_features=TINY["sex"], split=split
        )


@pytest.mark.filterwarnings("ignore::evenhand.NotCorrectedWarning", "ignore::UserWarning")
def test_a_search_hands_it_the_groups_of_each_part() -> None:
    seen: list[int] = []

    class Noted(FairClassifier):
        def fit(self, X, y, *, sensitive_features=None, split=None):  # noqa: N803
            seen.append(len(sensitive_features))
            return super().fit(X, y, sensitive_features=sensitive_features, split=split)

    with config_context(enable_metadata_routing=True):
        classifier = Noted(LogisticRegression(), **AIM).set_fit_request(sensitive_features=True)
        table = TINY[["score", "years"]].iloc[:12]
        search = GridSearchCV(classifier, {"estimator__C": [0.1, 1.0]}, cv=2)
        search.fit(table, TINY["label"].iloc[:12], sensitive_features=TINY["sex"].iloc[:12])
    assert sorted(set(seen)) == [6, 12]
    assert search.best_params_["estimator__C"] in (0.1, 1.0)


def test_numbers_in_an_array_a_frozen_estimator_and_numbers_as_classes(capfd) -> None:
    table = people(900, seed=3)
    array, labels = table[["score", "years"]].to_numpy(), (table["label"] == "hired").to_numpy(dtype=int)
    frozen = FrozenEstimator(LogisticRegression().fit(array[:300], labels[:300]))
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    options = {**AIM, "favourable": None, "certificate": False}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        classifier = FairClassifier(frozen, **options).fit(
            array, labels, sensitive_features=np.column_stack([table["sex"], table["district"]])
        )
    assert any("favourable= is not given: taken for '1'" in str(of.message) for of in caught)
    assert capfd.readouterr() == ("", "")
    assert any("as ONNX in" in line for line in classifier.log_)
    assert (torch.random.get_rng_state() == before).all()
    assert not torch.are_deterministic_algorithms_enabled()
    manifest = classifier.bundle_.manifest
    assert [of.name for of in manifest.attributes] == ["sensitive_feature_0", "sensitive_feature_1"]
    assert manifest.labels == ["0", "1"]
    assert classifier.predict(array).dtype == labels.dtype
    served = classifier.bundle_.answer(classifier.bundle_.rows_of(array))
    alone = frozen.estimator.predict_proba(array)
    assert np.abs(served.base_scores - alone).max() < 1e-6
    assert (classifier.predict(array.astype(np.float32)[:50]) == classifier.predict(array[:50])).mean() > 0.95


def test_importing_it_is_light() -> None:
    code = (
        "import sys, evenhand; assert not {'sklearn', 'torch', 'pandas'} & set(sys.modules); "
        "from evenhand import FairClassifier; print({'torch', 'transformers', 'mlflow'} & set(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert said.stdout.strip() == "set()"
