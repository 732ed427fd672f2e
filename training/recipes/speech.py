"""Hate speech against groups, learnt from three collections; attributes say which groups a text mentions.

``python -m evenhand.training.recipes.speech --data <folder of all data sets> --out bundles/hate-speech``

The folder holds ``dynahate/dynahate.parquet`` (Vidgen et al., ACL 2021), ``hatexplain/hatexplain.jsonl``
(Mathew et al., AAAI 2021) and ``mhs_binary/mhs_binary.parquet`` (Kennedy et al. 2020). :func:`read_ghc` reads
``ghc/ghc.parquet`` (Kennedy et al. 2022), which is never learnt from.

HateXplain's hatespeech and offensive are both ``hate``. Attributes are a function of the text, by
:data:`WORDS`: whether it mentions a group, not whom it is against, and not who wrote it. HateXplain's own
targets are not used, so that a group is the same thing in all collections. Offensive text is learnt from, but
none of it is written to a file or a log.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import typer

from evenhand.training.data.columns import Columns
from evenhand.training.data.dataset import Rows, Schema
from evenhand.training.learning.config import BaseConfig, Card, CorrectionConfig, FitConfig, TargetConfig
from evenhand.training.recipes.common import command, packaged_base, parquet, read_files, with_base

HATE, NOT_HATE = "hate", "not hate"
MENTIONED, NOT_MENTIONED = "mentioned", "not mentioned"
WORDS = {
    "gender": r"wom[ae]n|womens|girls?|females?|ladies|lady|wives|wife|feminis[mt]s?|mothers?|moms?|sluts?|"
    r"whores?|bitch(?:es)?|cunts?",
    "race": r"black(?:s)?|africans?|african|negro(?:e?s)?|nigg(?:er|ers|a|as|az)|asians?|chinese|chinks?|"
    r"mexicans?|latin[oax]s?|hispanics?|arabs?|indians?|pakis?|whites?|white people|brown|gypsies|gypsy|"
    r"travell?ers|roma|aborigin\w+|indigenous|japanese|koreans?|race|races|people of colou?r|poc",
    "religion": r"muslims?|islam|islamic|mosques?|quran|koran|hijabs?|burkas?|jews?|jewish|kikes?|judaism|"
    r"synagogues?|zionis[mt]s?|holocaust|christians?|catholics?|hindus?|sikhs?|buddhists?|allah|moslems?|"
    r"muzz?ies?",
    "orientation": r"gays?|lesbians?|homosexuals?|homosexuality|lgbtq?\w*|queers?|fags?|faggots?|dykes?|"
    r"bisexuals?|trans|transgenders?|transgendered|transsexuals?|trann(?:y|ies)|transwom[ae]n|transm[ae]n",
    "disability": r"disab(?:led|ility|ilities)|retard(?:s|ed)?|autis(?:tic|m)|down'?s syndrome|wheelchairs?|"
    r"blind|deaf|cripples?|mongs?|spastics?|mental(?:ly)? (?:ill|illness|handicap\w*)|special needs",
    "origin": r"immigrants?|migrants?|refugees?|asylum|foreigners?|illegals?|aliens",
}
"""Word lists, made for the attributes by who prepared the data sets: ``mentions.py`` beside ``dynahate``."""
PATTERNS = {name: re.compile(rf"(?<!\w)(?:{words})(?!\w)", re.IGNORECASE) for name, words in WORDS.items()}
ATTRIBUTES = ("any_group", "religion", "race", "gender", "orientation")
"""``any_group`` is any of :data:`WORDS`, disability and origin among them."""
FILES = {
    "dynahate": "dynahate/dynahate.parquet",
    "hatexplain": "hatexplain/hatexplain.jsonl",
    "mhs": "mhs_binary/mhs_binary.parquet",
}
UNSEEN = {"ghc": "ghc/ghc.parquet"}
COLUMNS = Columns(
    text="text",
    label="label",
    attributes=ATTRIBUTES,
    split="split",
    references=dict.fromkeys(ATTRIBUTES, NOT_MENTIONED),
    favourable=(NOT_HATE,),
)
CARD = Card(
    description="Whether a short English text is hate speech against a group, corrected for harmless texts "
    "that mention one. Learnt from Dynamically Generated Hate Speech (Vidgen, Thrush, Waseem, Kiela, ACL "
    "2021: no licence stated, free to use with citation), HateXplain (Mathew et al., AAAI 2021: MIT) and "
    "Measuring Hate Speech (Kennedy et al. 2020: CC BY 4.0; labels as binarised by Rottger et al. 2022). "
    "Whoever passes this bundle on cites all three.",
    intended_use="Demonstration of Evenhand: ranking texts for human review, and measuring how such a model "
    "treats texts that mention a group.",
    out_of_scope="Removing texts or sanctioning people without review; languages other than English; long "
    "texts; concluding anything about the author. The attributes say by a word list whether a text mentions "
    "a group, not whom it is against and not who wrote it. In HateXplain offensive posts count as hate. It "
    "was learnt from offensive text and repeats its blind spots: harmless texts about a group are still "
    "called hate, and hate in other words is missed.",
    base_license="apache-2.0",
)


def mentions(text: str) -> dict[str, str]:
    """Per attribute whether a text mentions a group."""
    flags = {name: bool(pattern.search(text)) for name, pattern in PATTERNS.items()}
    flags["any_group"] = any(flags.values())
    return {name: MENTIONED if flags[name] else NOT_MENTIONED for name in ATTRIBUTES}


def read(folder: Path) -> tuple[Rows, Schema, str]:
    """Rows of the three collections with their own splits, schema, and the data's hash.

    Raises:
        DataError: a file is missing or holds other rows.
    """
    return read_files(folder, FILES, _Once().table, COLUMNS)


def read_ghc(folder: Path) -> tuple[Rows, Schema, str]:
    """The Gab Hate Corpus, never learnt from, without texts that are also in what is learnt from.

    Raises:
        DataError: a file is missing or holds other rows.
    """
    once = _Once()

    def unseen(collection: str, content: bytes) -> pd.DataFrame:
        rows = once.table(collection, content)
        return rows if collection in UNSEEN else rows.head(0)

    return read_files(folder, {**FILES, **UNSEEN}, unseen, COLUMNS)


class _Once:
    """Tables of collections one after another; a text that an earlier one holds is left out."""

    def __init__(self) -> None:
        self._texts: set[str] = set()

    def table(self, collection: str, content: bytes) -> pd.DataFrame:
        """Text, label, split and attributes of one collection."""
        rows = _hatexplain(content) if collection == "hatexplain" else parquet(collection, content)
        same = rows["text"].str.lower().str.split().str.join(" ")
        new = ~same.isin(self._texts) & ~same.duplicated()
        self._texts |= set(same)
        rows = rows.loc[new, ["text", "label", "split"]].reset_index(drop=True)
        if not set(rows["label"]) <= {HATE, NOT_HATE}:
            raise ValueError(f"labels other than {HATE} and {NOT_HATE}")
        return rows.join(pd.DataFrame([mentions(text) for text in rows["text"]]))


def _hatexplain(content: bytes) -> pd.DataFrame:
    """HateXplain's posts with the labels of the others; posts without a majority have no split."""
    posts = pd.DataFrame([json.loads(line) for line in content.splitlines()])
    harmless = posts["majority"] == "normal"
    return posts.assign(
        label=harmless.map({True: NOT_HATE, False: HATE}), split=posts["split"].fillna("undecided")
    )


config = with_base(
    FitConfig(
        name="hate-speech",
        base="",
        base_name="sentence-transformers/all-MiniLM-L6-v2",
        columns=COLUMNS,
        card=CARD,
        weights="float16",
        base_stage=BaseConfig(epochs=2, precision="bfloat16"),
        correction=CorrectionConfig(
            target=TargetConfig(
                measure=None, measures=(("any_group", "equal-opportunity"),), max_loss=0.01, max_cell_loss=0.1
            ),
            precision="bfloat16",
        ),
    )
)


if __name__ == "__main__":
    typer.run(command(read, config, packaged_base))
