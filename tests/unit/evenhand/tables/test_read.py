"""A bad row is listed and costs the others nothing; a bad file is one sentence."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evenhand.tables.frame import frame_table
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


def test_a_quote_that_is_not_closed_costs_its_own_line_alone(tmp_path: Path) -> None:
    lines = ["text,label", *(f"row {place},x" for place in range(600))]
    lines[5] = '"' + lines[5]
    table = read_table(write(tmp_path, "t.csv", "\n".join(lines) + "\n"))
    assert len(table) == 599
    assert table.refused == [Refused(5, "a quote that is not closed, or that text follows")]


def test_a_stray_quote_that_a_later_one_closes_swallows_no_row(tmp_path: Path) -> None:
    rows = ["text,label,team", "a,x,m", '"b,x,m', "c,y,f", "d,y,f", 'size 5",x,m', "e,x,m"]
    table = read_table(write(tmp_path, "t.csv", "\n".join(rows) + "\n"))
    assert table.cells["text"] == ["a", "c", "d", 'size 5"', "e"]
    assert [row.row_number for row in table.refused] == [2]


def test_quoted_cells_may_have_lines_commas_and_quotes(tmp_path: Path) -> None:
    text = 'First, a line.\nThen, ""another""\nand, in the end, one more.'
    table = read_table(write(tmp_path, "t.csv", f'text,label,team\r\n"{text}",x,m\r\nb,y,f\r\n'))
    assert table.cells["text"] == [text.replace('""', '"'), "b"]
    assert table.refused == []


def test_a_cell_longer_than_pythons_limit_is_read(tmp_path: Path) -> None:
    long = "word " * 50_000
    assert read_table(write(tmp_path, "t.csv", f'a,b\n"{long}",x\n')).cells["a"] == [long]


def test_marks_at_the_start_of_a_file_are_no_part_of_its_first_column(tmp_path: Path) -> None:
    for encoding in ("utf-8-sig", "utf-16"):
        table = read_table(write(tmp_path, "t.csv", "täxt,label\na,x\n".encode(encoding)))
        assert table.cells == {"täxt": ["a"], "label": ["x"]}
        table = read_table(write(tmp_path, "t.jsonl", '{"text": "ä"}\n'.encode(encoding)))
        assert table.cells == {"text": ["ä"]}


def test_names_are_clean_and_columns_without_one_are_called_by_their_place(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.csv", ",text , fe\u0301e\n0,a,1\n"))
    assert table.columns == ["column 1", "text", "f\u00e9e"]
    assert table.unnamed == ("column 1",)


def test_pandas_row_numbers_are_no_column_and_a_named_index_is_one(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1, 2]}, index=[5, 9])
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").columns == ["a"]
    frame.rename_axis("person").to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").cells == {"a": ["1", "2"], "person": ["5", "9"]}


def test_a_list_of_objects_is_a_table_and_whole_numbers_have_all_digits(tmp_path: Path) -> None:
    table = read_table(write(tmp_path, "t.json", '[{"a": 123456789012345678901234, "b": {"c": [1]}}, 3]'))
    assert table.cells == {"a": ["123456789012345678901234"], "b": ['{"c": [1]}']}
    assert table.refused == [Refused(2, "not a JSON object")]
    lines = read_table(write(tmp_path, "t.json", '{"a": 1}\n{"a": 2}\n'))
    assert lines.cells == {"a": ["1", "2"]}


def test_members_of_one_name_spoil_their_row_alone(tmp_path: Path) -> None:
    content = '{"a": 1, "a": 2}\n{"a": 3}\n{"fe\u0301e": 1, "f\u00e9e": 2}\n'
    table = read_table(write(tmp_path, "t.jsonl", content))
    assert table.cells == {"a": ["3"]}
    assert table.refused == [Refused(n, "two members of the same name") for n in (1, 3)]


def test_bytes_of_parquet_are_text_where_they_are(tmp_path: Path) -> None:
    frame = pd.DataFrame({"text": ["é".encode(), b"b"], "picture": [b"\xff\xd8", b"\xff"]})
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").cells == {"text": ["é", "b"], "picture": [None, None]}


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", "a,b,a\n1,2,3\n", r"t\.csv: two columns of the same name, 'a' \(columns 1 and 3\); rename"),
        ("t.csv", "f\u00e9e,fe\u0301e\n1,2\n", "two columns of the same name"),
        ("t.csv", "a;b\n1;2\n", "its header has semicolons and no comma; write it with commas"),
        ("t.csv", "a\tb\n1\t2\n", r"its header has tabs and no comma; call it \.tsv"),
        ("t.csv", "", r"no header; its first line must name the columns"),
        ("t.csv", '"a,b\n1,2\n', "a quote that is not closed"),
        ("t.csv", "a,b\n1,2,3\n4,5,6\n", r"among 2: 3 cells where the header has 2 \(row 1 and 1 more\)"),
        ("t.json", '{"a": {"0": 1}}', r"not a list of objects.*to_json\(orient='records'\)"),
        ("t.json", '[{"a": 1},\n{"a": }]', "not readable as JSON .line 2: "),
        ("t.json", "[" * 100_000, "not readable as JSON"),
    ],
)
def test_a_header_or_file_that_cannot_be_used_is_one_sentence(
    tmp_path: Path, name: str, content: str, said: str
) -> None:
    with pytest.raises(DataError, match=said) as caught:
        read_table(write(tmp_path, name, content))
    assert "\n" not in str(caught.value)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(DataError, match="not readable"):
        read_table(tmp_path / "t.csv")


def test_suffixes_are_of_any_case(tmp_path: Path) -> None:
    assert read_table(write(tmp_path, "T.CSV", "a\n1\n")).cells == {"a": ["1"]}


def test_two_columns_of_one_name_are_refused_in_parquet_and_in_frames(tmp_path: Path) -> None:
    data = pa.table([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(data, tmp_path / "t.parquet")
    for read in (
        lambda: read_table(tmp_path / "t.parquet"),
        lambda: frame_table(data),
        lambda: frame_table(pd.DataFrame([[1, 2]], columns=["a", " a"])),
    ):
        with pytest.raises(DataError, match=r"two columns of the same name, 'a' \(columns 1 and 2\)"):
            read()


def test_an_arrow_table_is_read_as_its_file(tmp_path: Path) -> None:
    data = pa.table({"n": pa.array([1, None], pa.uint8()), "d": pa.array(["x", None]).dictionary_encode()})
    pq.write_table(data, tmp_path / "t.parquet")
    assert (
        frame_table(data).cells
        == read_table(tmp_path / "t.parquet").cells
        == {"n": ["1", None], "d": ["x", None]}
    )
