"""Salary above 50,000 dollars of US government staff (American Community Survey 2018).

``python -m evenhand.training.recipes.census --data <folder of all data sets> --out <bundle>``

The folder holds ``gov_census/gov_census.parquet``. The microdata are the US Census Bureau's public use file,
in the public domain; the rows are those of Plecko and Meinshausen (JMLR 2020).

Sex, race and origin are attributes or left out, not features; neither is the salary. Two people of the same
values are two rows: the microdata hold no id, so some test rows equal a training row.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import BaseConfig, Card, FitConfig, TargetConfig
from evenhand.training.recipes.common import (
    command,
    parquet,
    read_files,
    table_correction,
    tabular_base,
    with_base,
)

FILES = {"staff": "gov_census/gov_census.parquet"}
FEATURES = (
    *("age", "education_level", "english_level", "citizenship", "marital", "family_size", "children"),
    *("hours_worked", "weeks_worked", "occupation", "industry", "region"),
)
CITIZENSHIP = {
    1: "born in the United States",
    2: "born in a territory",
    3: "born abroad of American parents",
    4: "naturalised",
    5: "not a citizen",
}
OCCUPATIONS = {
    "11": "management",
    "13": "business and finance",
    "15": "computers and mathematics",
    "17": "engineering",
    "19": "science",
    "21": "social service",
    "23": "law",
    "25": "education",
    "27": "arts and media",
    "29": "health",
    "31": "health support",
    "33": "protective service",
    "35": "food",
    "37": "cleaning and grounds",
    "39": "personal care",
    "41": "sales",
    "43": "office",
    "45": "farming",
    "47": "construction",
    "49": "repair",
    "51": "production",
    "53": "transport",
    "55": "military",
}
"""The survey's major groups, by the first two digits of an occupation's code."""
INDUSTRIES = {
    "22": "utilities",
    "23": "construction",
    "48": "transport",
    "49": "post",
    "51": "information",
    "54": "professional services",
    "61": "education",
    "62": "health and social work",
    "71": "recreation",
    "92": "public administration",
}
"""The larger branches, by the first two characters of an industry's code."""
OVER, UP_TO = "over 50K", "up to 50K"
COLUMNS = Columns(
    text="",
    label="label",
    attributes=("sex", "race2", "hispanic_origin"),
    split="split",
    references={"sex": "male", "race2": "white", "hispanic_origin": "no"},
    intersections=(("sex", "race2"),),
    task="table",
    features=FEATURES,
    favourable=(OVER,),
)
CARD = Card(
    description="Whether a government employee in the United States earns more than 50,000 dollars a year, "
    "corrected so that more of the people of Hispanic origin who do are found. Learnt from the American "
    "Community Survey 2018 (US Census Bureau, public use microdata, public domain).",
    intended_use="Demonstration of Evenhand on a table.",
    out_of_scope="Any decision about a person: a salary is not merit, and what is predicted is what was paid "
    "in 2018. People who are not of one race are counted as nonwhite.",
)


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows, schema, and the data's hash.

    Raises:
        DataError: the file is missing or has other columns.
    """
    return read_files(folder, FILES, table, COLUMNS)


def table(part: str, content: bytes) -> pd.DataFrame:
    """The file's rows with words in place of codes."""
    staff = parquet(part, content)
    return staff.assign(
        citizenship=staff["citizenship"].map(CITIZENSHIP),
        occupation=staff["occupation"].str[:2].map(OCCUPATIONS).fillna("other"),
        industry=staff["industry"].str[:2].map(INDUSTRIES).fillna("other"),
        region=staff["economic_region"],
    )


config = with_base(
    FitConfig(
        name="government-salary",
        base="",
        columns=COLUMNS,
        card=CARD,
        base_stage=BaseConfig(epochs=6, learning_rate=1e-3, batch_rows=256),
        correction=table_correction(
            TargetConfig(measure=None, measures=(("hispanic_origin", "equal-opportunity"),))
        ),
    )
)
packaged_base = tabular_base


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
