"""The page of what can be a base is what its script makes of the tests' classifiers."""

from bases_page import ENGINES, make_bases
from tiny_bases import BASES


def test_the_page_is_made_from_the_tests() -> None:
    made = make_bases()
    assert list(ENGINES) == list(BASES)
    assert made.PAGE.read_text() == made.page(ENGINES.__getitem__), (
        "run: python docs/make_bases.py --keep-engines"
    )
