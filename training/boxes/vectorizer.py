"""A fitted word vectorizer of scikit-learn as a tokenizer and a graph: no pickle, no code of the user's.

The tokenizer (Hugging Face's ``tokenizers``) lowers, strips accents and cuts a text into words as the
vectorizer does; the graph counts the vocabulary's words and sequences of words in the ids. Python's regular
expressions and the tokenizer's know different classes of characters, so that these are spelled out.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers, processors
from tokenizers.models import WordLevel

from evenhand.models.bundle.manifest import TextInput
from evenhand.training.boxes.word_graph import Vocabulary
from evenhand.training.data.dataset import DataError
from evenhand.typing import Array

LONGEST = 8192
"""Words of a text that are read: the largest number that a manifest accepts, with a mark in front."""
PAD, UNKNOWN, START = 0, 1, 2
MARKS = ("<pad>", "<unknown>", "<start>")
"""Names of these ids; no row is empty, as each begins with a mark that nothing counts."""
VECTORIZERS = ("CountVectorizer", "TfidfVectorizer")
SUPPORTED = (
    "supported is a Pipeline whose first step is a CountVectorizer or TfidfVectorizer over words, with a "
    "token_pattern and without functions of your own; export anything else to ONNX over token ids yourself"
)
WORD, SPACE = r"\p{L}\p{N}_", r"\s\x{1c}-\x{1f}"
"""What Python calls a character of a word, and a space, in the tokenizer's words."""
CLASSES = {"w": WORD, "d": r"\p{Nd}", "s": SPACE}
EDGE = rf"(?:(?<![{WORD}])(?=[{WORD}])|(?<=[{WORD}])(?![{WORD}]))"
NO_EDGE = rf"(?:(?<![{WORD}])(?![{WORD}])|(?<=[{WORD}])(?=[{WORD}]))"
GROUPS = ("(?:", "(?=", "(?!", "(?<=", "(?<!")
BULK = re.compile("[\u4e00-\u9fff\uac00-\ud7a3\U00020000-\U0010ffff]")
"""Tens of thousands of letters that are all alike."""
PROBED = 200
"""Characters that are tried in one text."""


@dataclass(frozen=True)
class WordCounts:
    """What a vectorizer counts, and how it cuts texts into words."""

    vectorizer: Any
    where: str
    """What an error calls the model."""
    weights: Any = None
    """A fitted ``TfidfTransformer`` right behind it, that of a ``TfidfVectorizer`` for example."""

    @cached_property
    def sequences(self) -> list[tuple[str, ...]]:
        """The words of each column."""
        vocabulary = {str(term): int(place) for term, place in self.vectorizer.vocabulary_.items()}
        terms = sorted(vocabulary, key=lambda term: vocabulary[term])
        if [vocabulary[term] for term in terms] != list(range(len(terms))):
            raise DataError(f"{self.where}: its vectorizer's vocabulary does not number its columns from 0")
        longest = int(self.vectorizer.ngram_range[1])
        if longest == 1:
            return [(term,) for term in terms]
        split = [tuple(term.split(" ")) for term in terms]
        if any(not all(words) or len(words) > longest for words in split):
            raise DataError(
                f"{self.where}: its vectorizer's words hold spaces, and so do its n-grams, so that nobody "
                "can tell them apart"
            )
        return split

    @cached_property
    def ids(self) -> dict[str, int]:
        """The id of each word that is part of a column, and of the marks."""
        words = dict.fromkeys(word for sequence in self.sequences for word in sequence)
        marks = [_free(mark, words) for mark in MARKS]
        return {word: place for place, word in enumerate([*marks, *words])}

    @property
    def spec(self) -> TextInput:
        """How a text becomes ids: all of it, up to the most that a manifest accepts."""
        return TextInput(max_tokens=LONGEST, pad_id=PAD)

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """Cuts texts into words as the vectorizer does.

        Raises:
            DataError: no tokenizer can.
        """
        _check(self.vectorizer, self.where)
        marks = list(self.ids)[: len(MARKS)]
        tokenizer = Tokenizer(WordLevel(self.ids, unk_token=marks[UNKNOWN]))
        cleaning = _cleaning(self.vectorizer)
        if cleaning:
            tokenizer.normalizer = normalizers.Sequence(cleaning)
        pattern = translated(self.vectorizer.token_pattern, self.where)
        cutting = [pre_tokenizers.Split(Regex(pattern), "removed", invert=True)]
        stops = self.vectorizer.get_stop_words()
        if stops and self.vectorizer.ngram_range[1] > 1:  # else they are no columns, and nothing counts them
            listed = "|".join(re.escape(str(word)) for word in sorted(stops))
            cutting.append(pre_tokenizers.Split(Regex(rf"\A(?:{listed})\z"), "removed"))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(cutting)
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{marks[START]} $A", special_tokens=[(marks[START], START)]
        )
        return tokenizer

    @property
    def vocabulary(self) -> Vocabulary:
        """What the graph counts."""
        return Vocabulary(self.sequences, self.ids, bool(self.vectorizer.binary), self.weights)

    def words_of(self, text: str) -> list[str]:
        """A text's words, as the vectorizer cuts it."""
        stops = self.vectorizer.get_stop_words() if self.vectorizer.ngram_range[1] > 1 else None
        words = self.vectorizer.build_tokenizer()(self.vectorizer.build_preprocessor()(text))
        return [word for word in words if not stops or word not in stops]

    def check_rows(self, texts: Sequence[str], rows: Sequence[Array], longest: int) -> None:
        """Compare the words of texts.

        Args:
            texts: All rows.
            rows: Their ids, ``(tokens,)`` each.
            longest: Ids that are read of a row.

        Raises:
            DataError: a text is cut into other words.
        """
        for place, (text, own) in enumerate(zip(texts, rows, strict=True)):
            ids = [START, *(self.ids.get(word, UNKNOWN) for word in self.words_of(text))]
            if own.tolist() != ids[:longest]:
                raise DataError(
                    f"{self.where}: text {place + 1} of the rows is cut into other words than by its "
                    f"vectorizer (token_pattern {self.vectorizer.token_pattern!r})\n{SUPPORTED}"
                )

    def odd_characters(self) -> list[str]:
        """Characters near which a text is cut into other words than by the vectorizer."""
        odd: list[str] = []
        characters = list(_characters())
        for start in range(0, len(characters), PROBED):
            some = characters[start : start + PROBED]
            if not self._agrees(" ".join(map(_around, some))):
                odd += [each for each in some if not self._agrees(_around(each))]
        return odd

    def _agrees(self, text: str) -> bool:
        cleaner, cutter = self.tokenizer.normalizer, self.tokenizer.pre_tokenizer
        clean = cleaner.normalize_str(text) if cleaner else text
        return [piece for piece, _ in cutter.pre_tokenize_str(clean)] == self.words_of(text)


def text_pipeline(model: Any) -> tuple[Any, Any, Any] | None:  # noqa: ANN401 - scikit-learn's
    """A pipeline's vectorizer, its weights if there are any, and what follows; ``None`` for another one."""
    steps = getattr(model, "steps", None) or []
    first: Any = steps[0][1] if steps else None
    own = type(first).__module__.startswith("sklearn.") and type(first).__name__ in VECTORIZERS
    if not own or len(steps) < 2:
        return None
    rest = [step for step in steps[1:] if step[1] is not None and step[1] != "passthrough"]
    weights = first._tfidf if type(first).__name__ == "TfidfVectorizer" else None
    if weights is None and rest and type(rest[0][1]).__name__ == "TfidfTransformer":
        weights, rest = rest[0][1], rest[1:]
    if len(rest) == 1:
        return first, weights, rest[0][1]
    from sklearn.pipeline import Pipeline

    return first, weights, Pipeline(rest)


def translated(pattern: str, where: str) -> str:
    """A regular expression of Python's in the tokenizer's words.

    Raises:
        DataError: it has parts that mean something else there.
    """
    rest = pattern.removeprefix("(?u)")
    parts, place, inside = [], 0, False
    while place < len(rest):
        one, two = rest[place], rest[place : place + 2]
        if one == "\\":
            parts.append(_escape(two, inside, where))
            place += 2
            continue
        if not inside and one == "(" and not rest[place:].startswith(GROUPS):
            raise DataError(f"{where}: its token_pattern {pattern!r} has groups or flags; {SUPPORTED}")
        if (not inside and one in "^$") or (inside and two == "&&"):
            raise DataError(f"{where}: its token_pattern {pattern!r} has {one!r}; {SUPPORTED}")
        parts.append("\\[" if inside and one == "[" else one)
        inside = (one == "[") if not inside else not (one == "]" and rest[place - 1] not in "[^")
        place += 1
    return "".join(parts)


def _escape(escape: str, inside: bool, where: str) -> str:
    letter = escape[1:]
    if letter.lower() in CLASSES:
        listed = CLASSES[letter.lower()]
        if letter.islower():
            return listed if inside else f"[{listed}]"
        return f"[^{listed}]"
    elif letter == "b" and not inside:
        return EDGE
    elif letter == "B" and not inside:
        return NO_EDGE
    elif not letter.isalnum() or letter in "nrtfv":
        return escape
    raise DataError(f"{where}: its token_pattern has {escape!r} where no tokenizer can read it; {SUPPORTED}")


def _check(vectorizer: Any, where: str) -> None:  # noqa: ANN401
    """Refuse what is no cutting into words by a pattern."""
    reasons = {
        f"analyzer={vectorizer.analyzer!r}": vectorizer.analyzer != "word",
        "a tokenizer of its own": vectorizer.tokenizer is not None,
        "a preprocessor of its own": vectorizer.preprocessor is not None,
        "an accent function of its own": vectorizer.strip_accents not in (None, "unicode", "ascii"),
        f"input={vectorizer.input!r}": vectorizer.input != "content",
        "no token_pattern": vectorizer.token_pattern is None,
    }
    for what, holds in reasons.items():
        if holds:
            raise DataError(f"{where}: its {type(vectorizer).__name__} has {what}; {SUPPORTED}")


def _cleaning(vectorizer: Any) -> list[Any]:  # noqa: ANN401 - normalizers share no typed base
    """Lower, then strip accents, as scikit-learn does."""
    steps: list[Any] = []
    if vectorizer.lowercase:
        # Python lowers this letter by its place in a word, and the tokenizer letter by letter.
        steps += [normalizers.Replace(Regex(r"(?<=\p{L})Σ(?!\p{L})"), "ς"), normalizers.Lowercase()]
    if vectorizer.strip_accents == "unicode":
        steps += [normalizers.NFKD(), normalizers.Replace(Regex(f"[{_combining()}]"), "")]
    elif vectorizer.strip_accents == "ascii":
        steps += [normalizers.NFKD(), normalizers.Replace(Regex(r"[^\x{0}-\x{7f}]"), "")]
    return steps


def _combining() -> str:
    """The characters that scikit-learn takes for accents, as ranges of a class."""
    codes = [code for code in range(sys.maxunicode + 1) if unicodedata.combining(chr(code))]
    ranges: list[list[int]] = []
    for code in codes:
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\x{{{first:x}}}-\\x{{{last:x}}}" for first, last in ranges)


def _characters() -> Iterator[str]:
    """Every character that has a meaning, of tens of thousands that are alike only some."""
    for code in range(sys.maxunicode + 1):
        character = chr(code)
        if unicodedata.category(character) not in ("Cn", "Co", "Cs") and (
            code % 100 == 0 or not BULK.match(character)
        ):
            yield character


def _around(character: str) -> str:
    """A text that has the character within, before, behind and between letters."""
    return f"ab{character}cd {character}ef gh{character} x{character}y"


def _free(mark: str, words: dict[str, None]) -> str:
    while mark in words:
        mark = f"<{mark}>"
    return mark
