"""A vectorizer's words, cut by a tokenizer that no code of the user's is in."""

import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from tokenizers import Tokenizer

from evenhand.training.boxes.vectorizer import START, UNKNOWN, WordCounts, text_pipeline, translated
from evenhand.training.data.dataset import DataError

TEXTS = [
    "The cat's 3 cats SAT on_the mat, mat!",
    "Straße ΟΔΟΣ İstanbul naïve coöperate ﬁne x² ½ n°5",
    "don't\u00a0stop\u2028now\x1cand e\u0301t\u00e9 or मुझे कल",
    "a i ! ?",
    "...",
    "<unknown> <pad> tokens <start>",
]


def counts(**options: object) -> WordCounts:
    return WordCounts(CountVectorizer(**options).fit(TEXTS), "model")


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"lowercase": False},
        {"strip_accents": "unicode"},
        {"strip_accents": "ascii", "token_pattern": r"\w+"},
        {"token_pattern": r"[A-Za-z']+"},
        {"token_pattern": r"(?u)\b[\w\-]{3,}\b"},
        {"token_pattern": r"\S+"},
        {"token_pattern": r"[^\s,.!?]+"},
        {"token_pattern": r"\w+|[^\w\s]"},
        {"token_pattern": r"(?:\d+|[a-z]+)\B"},
        {"ngram_range": (1, 3)},
        {"ngram_range": (2, 2), "stop_words": ["the", "cat", "on_the"]},
        {"stop_words": "english"},
    ],
)
def test_words_are_those_of_the_vectorizer(options: dict[str, object]) -> None:
    words = counts(**options)
    tokenizer = Tokenizer.from_str(words.tokenizer.to_str())
    for text in [*TEXTS, "other words 9 THE cat", "été été"]:
        expected = [words.ids.get(word, UNKNOWN) for word in words.words_of(text)]
        assert tokenizer.encode(text).ids == [START, *expected]


def test_every_character_is_read_as_python_reads_it() -> None:
    assert counts().odd_characters() == []
    assert counts(token_pattern=r"[^\W\d]+").odd_characters() == []


def test_a_tokenizer_that_reads_characters_otherwise_is_told() -> None:
    words = counts()
    from tokenizers import Regex, pre_tokenizers

    words.tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"[a-z0-9_]{2,}"), "removed", invert=True)]
    )
    assert "ß" in words.odd_characters()
    with pytest.raises(DataError, match="text 2 of the rows is cut into other words"):
        words.check_rows(TEXTS, [_ids(words, text) for text in TEXTS], 8192)


def _ids(words: WordCounts, text: str) -> object:
    import numpy as np

    return np.array(words.tokenizer.encode(text).ids)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"analyzer": "char"}, "analyzer='char'"),
        ({"analyzer": "char_wb"}, "analyzer='char_wb'"),
        ({"analyzer": str.split}, "analyzer="),
        ({"tokenizer": str.split}, "a tokenizer of its own"),
        ({"preprocessor": str.upper}, "a preprocessor of its own"),
        ({"strip_accents": str.casefold}, "an accent function of its own"),
        ({"token_pattern": r"(\w)\w+"}, "has groups or flags"),
        ({"token_pattern": r"(?i:\w+)"}, "has groups or flags"),
        ({"token_pattern": r"^\w+"}, "has '^'"),
        ({"token_pattern": r"(?:\w)\w+\Z"}, r"\Z"),
    ],
)
def test_what_no_tokenizer_cuts_is_refused_with_what_is_supported(
    options: dict[str, object], says: str
) -> None:
    words = WordCounts(CountVectorizer(**options), "model")
    words.vectorizer.vocabulary_ = {"cat": 0}
    with pytest.raises(DataError) as error:
        _ = words.tokenizer
    assert says in str(error.value)
    assert "supported is a Pipeline whose first step is a CountVectorizer or TfidfVectorizer" in str(
        error.value
    )


def test_words_that_hold_spaces_beside_sequences_of_words() -> None:
    words = counts(token_pattern=r"\w+ \w+", ngram_range=(1, 2))
    with pytest.raises(DataError, match="hold spaces"):
        _ = words.sequences


def test_names_of_marks_make_way_for_words() -> None:
    words = counts(token_pattern=r"\S+")
    assert set(list(words.ids)[:3]) == {"<<pad>>", "<<unknown>>", "<<start>>"}


def test_classes_of_characters_are_spelled_out() -> None:
    assert translated(r"(?u)\w\d[\w']", "m") == r"[\p{L}\p{N}_][\p{Nd}][\p{L}\p{N}_']"
    assert translated(r"[[a]\.", "m") == r"[\[a]\."


def test_the_parts_of_a_pipeline() -> None:
    model = make_pipeline(TfidfVectorizer(), "passthrough", LogisticRegression())
    parts = text_pipeline(model.fit(TEXTS[:4], [0, 1, 0, 1]))
    assert parts is not None
    vectorizer, weights, rest = parts
    assert (type(vectorizer), type(rest)) == (TfidfVectorizer, LogisticRegression)
    assert weights.idf_.tolist() == vectorizer.idf_.tolist()
    assert text_pipeline(LogisticRegression()) is None
    assert text_pipeline(make_pipeline(LogisticRegression())) is None
