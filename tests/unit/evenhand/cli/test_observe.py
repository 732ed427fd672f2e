"""``evenhand observe`` writes a declaration that the service reads, or says in a line what is wrong."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from evenhand.cli.main import app
from evenhand.service.catalog.declaration import read_declaration

HIRING = ("observe", "hiring", "--labels", "hire,reject", "--favourable", "hire")


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, [*HIRING, "--out", str(folder), *arguments])
    return done.exit_code, done.output


def test_a_declaration_is_written_as_it_was_said(tmp_path: Path) -> None:
    sex = ("--attributes", "sex=female, male", "--reference", "sex=male")
    code, said = run(tmp_path, *sex, "--target", "equalized-odds", "--limit", "4")
    assert (code, "watched: equalized odds of sex" in said) == (0, True)
    declaration = read_declaration(tmp_path / "hiring.json")
    assert (declaration.labels, declaration.favourable) == (["hire", "reject"], ["hire"])
    (attribute,) = declaration.attributes
    assert (attribute.groups, attribute.reference) == (["female", "male"], "male")
    assert declaration.target is not None
    (aim,) = declaration.target.attributes
    assert (aim.measure, aim.limit) == ("equalized-odds", 0.04)


def test_ranges_of_a_number_are_its_groups(tmp_path: Path) -> None:
    ranges = ("--ranges", "age=<18, 18-39,40+", "--reference", "age=18-39", "--attributes", "sex=f,m")
    code, said = run(tmp_path, *ranges)
    assert (code, "age (reference 18-39)" in said) == (0, True)
    sex, age = read_declaration(tmp_path / "hiring.json").attributes
    assert age.groups == age.ranges == ["<18", "18-39", "40+"]
    assert sex.ranges == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name an attribute"),
        (("--ranges", "age=0-24,20-39"), "--ranges age: 0-24 and 20-39 overlap"),
        (("--ranges", "age=young,old"), "'young' is no range"),
        (("--ranges", "age=0-24"), "name 2 to 16 ranges"),
        (("--ranges", "age=0-24,25+", "--attributes", "age=a,b"), "two attributes have the same name"),
        (("--attributes", "sex=female"), "name two groups or more"),
        (("--attributes", "sex=female,unknown"), "must be distinct, and not 'unknown'"),
        (("--attributes", "sex=f,m", "--reference", "sex=x"), "which is none of its groups"),
        (("--attributes", "sex=f,m", "--reference", "age=x"), "no such attribute was declared"),
        (("--attributes", "sex=f,m", "--attributes", "sex=a,b"), "two attributes have the same name"),
        (("--attributes", "sex=f,m", "--limit", "5"), "--limit goes with --target"),
        (("--attributes", "sex=f,m", "--favourable", "reject"), "favourable must be some, not all"),
        (("--attributes", "sex=f,m", "--target", "age=worst-cell"), "the target names 'age'"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_written(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    code, output = run(tmp_path, *arguments)
    assert code == 2
    assert said in " ".join(output.replace("│", " ").split())
    assert not list(tmp_path.iterdir())
