"""For somebody who works in Python: a classifier of real salaries, corrected, in scikit-learn's way.

Needs the extras ``train`` and ``boxes``, and a few minutes. Run it in an empty folder.
"""

from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from evenhand import FairClassifier

DATA = Path(__file__).resolve().parent / "data" / "government_salaries.parquet"
TEXTS = ["citizenship", "marital", "occupation", "industry", "region"]


def main() -> None:
    """Fit, report, save, and answer some rows."""
    table = pd.read_parquet(DATA)
    features = table.drop(columns=["hispanic_origin", "salary", "split"])
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encoder = make_column_transformer((codes, TEXTS), remainder="passthrough")
    classifier = FairClassifier(
        make_pipeline(encoder, HistGradientBoostingClassifier(random_state=0)),
        target="equal-opportunity",
        max_loss=0.5,
        favourable="over 50K",
        references={"hispanic_origin": "no"},
        name="salaries",
        verbose=True,
    )
    classifier.fit(
        features, table["salary"], sensitive_features=table["hispanic_origin"], split=table["split"]
    )
    print(classifier.report())
    print(classifier.predict(features.head(3)))
    print("evenhand serve", classifier.save("salaries"))


if __name__ == "__main__":
    main()
