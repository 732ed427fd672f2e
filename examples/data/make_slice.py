"""Write the tutorial's table: ``python examples/data/make_slice.py --data <folder of data sets>``.

Rows of ``gov_census`` (American Community Survey 2018, US Census Bureau, public domain), drawn at random,
with the features of the recipe ``census``, one attribute, the label and the split of the data set.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import pandas as pd

from evenhand.training.recipes import census

OUT = Path(__file__).parent / "government_salaries.parquet"
ROWS, SEED = 120_000, 0


def part(data: Path) -> pd.DataFrame:
    """The rows."""
    whole = census.table("staff", (data / census.FILES["staff"]).read_bytes())
    kept = whole[[*census.FEATURES, "hispanic_origin", "label", "split"]].rename(columns={"label": "salary"})
    numbers = kept.select_dtypes("number").columns
    drawn = kept.sample(ROWS, random_state=SEED).reset_index(drop=True)
    return drawn.astype(dict.fromkeys(numbers, "int16"))


def content(table: pd.DataFrame) -> bytes:
    """The file, as small as it gets."""
    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd", compression_level=19)
    return buffer.getvalue()


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    OUT.write_bytes(content(part(parser.parse_args().data)))
    print(f"wrote {OUT}: {OUT.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
