"""A bad row is listed and costs the others nothing; a bad file is one sentence."""

from pathlib import Path

import pandas as pd
import pytest

from evenhand.tables.read import read_table
from evenhand.tables.table import DataError, Refused


def write(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


def test_csv_lists_rows_of_another_width_and_skips_blank_lines(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", 'text,label\n"a\nb",x\n\nonly\nc,y,z\nd,x\n'))
    assert table.columns == ["text", "label"]
    assert list(table.rows()) == [(1, {"text": "a\nb", "label": "x"}), (4, {"text": "d", "label": "x"})]
    assert table.refused == [
        Refused(2, "1 cells where the header has 2"),
        Refused(3, "3 cells where the header has 2"),
    ]


def test_jsonl_lists_broken_lines_and_keeps_values_as_text(tmp_path: Path) -> None:
    content = '{"text": "a\u2028b", "label": 1}\n{broken\n\n[1]\n{"text": null, "label": 0, "more": true}\n'
    table = read_table(write(tmp_path, "t.jsonl", content))
    assert list(table.rows()) == [
        (1, {"text": "a\u2028b", "label": "1", "more": None}),
        (4, {"text": None, "label": "0", "more": "True"}),
    ]
    assert table.refused == [Refused(2, "not readable as JSON"), Refused(3, "not a JSON object")]
    assert table.columns == ["text", "label", "more"]


def test_parquet_keeps_gaps_as_gaps(tmp_path: Path) -> None:
    file = tmp_path / "t.parquet"
    pd.DataFrame({"text": ["a", None], "label": [1, 0], "list": [[1], None]}).to_parquet(file)
    assert list(read_table(file).rows()) == [
        (1, {"text": "a", "label": "1", "list": "[1]"}),
        (2, {"text": None, "label": "0", "list": None}),
    ]


def test_a_byte_that_is_not_utf8_spoils_its_row_alone(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", b"\xef\xbb\xbftext,label\ncaf\xe9,x\nok,y\n"))
    assert table.cells == {"text": ["ok"], "label": ["y"]}
    assert table.refused == [Refused(1, "not UTF-8")]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.xlsx", "", "expected a file ending in .csv, .tsv, .json, .jsonl"),
        ("t.csv", "a,a\n1,2\n", "two columns of the same name"),
        ("t.csv", "a,b\n", "no readable row among 0"),
        ("t.jsonl", "[]\n", "no readable row among 1"),
        ("t.parquet", "no", "not readable"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_table(write(tmp_path, name, content))
    assert "\n" not in str(caught.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not readable"):
        read_table(tmp_path / "none.csv")
