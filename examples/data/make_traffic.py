"""Write the rows that ``evenhand demo`` sends: ``python examples/data/make_traffic.py [--data <folder>]``.

``hate-speech.jsonl`` is made from the templates below. No sentence is anybody's, and none comes from the data
that a model learnt from. Every template is said of every group, so each group has the same mix, and which
label is true follows from the template. Some sentences say the same of people in general.

``government-salary.jsonl`` needs ``--data``, the folder that holds ``gov_census`` (US Census Bureau, public
domain): test rows, as many of every label, sex, race and origin, so that every cell can be seen. Overall
accuracy on them is therefore not that of the population.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

OUT = Path(__file__).parents[1] / "traffic"
GROUPS = (
    *("Muslims", "Jews", "Christians", "Hindus"),
    *("Black people", "Asian people", "Mexicans", "Arabs"),
    *("women", "mothers", "feminists", "female drivers"),
    *("gay people", "lesbians", "trans people", "bisexuals"),
    *("immigrants", "refugees", "disabled people", "deaf people"),
)
PEOPLE = (
    *("my colleagues", "the students", "our guests", "the neighbours", "tourists", "farmers", "nurses"),
    *("the players", "bus drivers", "the new people upstairs", "my cousins", "the volunteers"),
)
THEY = ("they", "these people", "people like them", "all of them", "those people")
HARMLESS = (
    "{who} and their neighbours had a barbecue {when}",
    "I cooked with some {bare} {when} and it was great",
    "there was a film about {who} on television {when}",
    "{who} from our street helped to clean the park {when}",
    "my sister works with {who} and likes it",
    "the news had a report about {who} and the cost of rent {when}",
    "{who} were at the wedding {when} and danced until midnight",
    "our team played football against some {bare} {when}",
    "nobody should be rude to {who}, and I said so {when}",
    "some people complain about {who}, I do not understand why",
    "I read a good book about {who} {when}",
    "{who} told us about their faith and their holidays {when}",
    "the school invited {who} to talk about their work {when}",
    "I disagree with {who} about this, but we are still friends",
    "{who} lost the match {when} and were sad about it",
    "where can {who} find a good doctor in this town?",
)
HATEFUL = (
    "{who} are a disease and should be thrown out of {where}",
    "I would never let {who} into {where}, they are dirty",
    "{who} are too stupid to be allowed into {where}",
    "the world would be better if {who} were all dead",
    "{who} ruin {where}, they are nothing but animals",
    "somebody should burn down the houses of {who}",
    "{who} are liars and thieves, every single one of them",
    "{who} deserve to be beaten until they leave {where}",
)
WHEN = ("on Saturday", "last week", "in our street", "after work", "this summer", "at the town hall")
WHERE = ("this country", "our town", "my house", "our schools", "this city")
SAID_OF_GROUPS, SAID_OF_PEOPLE, HATE_OF_GROUPS, HATE_OF_THEM = 480, 240, 240, 120
"""Sentences of each kind."""
STAFF = 3520
"""Rows of staff; the rarest cell has more than its share of them."""
SEED = 0


def speech() -> Iterator[dict[str, Any]]:
    """Made sentences, with the groups and labels of the recipe ``speech``."""
    from evenhand.training.recipes.speech import HATE, NOT_HATE, mentions

    for text, hateful in sentences():
        yield {"input": text, "groups": mentions(text), "label": HATE if hateful else NOT_HATE}


def sentences() -> Iterator[tuple[str, bool]]:
    """Made sentences, and whether each is hateful."""
    chance = random.Random(SEED)
    kinds = (
        (False, HARMLESS, GROUPS, WHEN, SAID_OF_GROUPS),
        (False, HARMLESS, PEOPLE, WHEN, SAID_OF_PEOPLE),
        (True, HATEFUL, GROUPS, WHERE, HATE_OF_GROUPS),
        (True, HATEFUL, THEY, WHERE, HATE_OF_THEM),
    )
    for hateful, templates, who, slots, n in kinds:
        made = dict.fromkeys(
            sentence(template, person, slot)
            for template, person, slot in itertools.product(templates, who, slots)
        )
        for text in chance.sample(list(made), n):
            yield text, hateful


def sentence(template: str, who: str, slot: str) -> str:
    """A template said of somebody."""
    text = template.format(
        who=who, bare=who.removeprefix("the ").removeprefix("my ").removeprefix("our "), when=slot, where=slot
    )
    return text[0].upper() + text[1:]


def staff(data: Path) -> Iterator[dict[str, Any]]:
    """Test rows of ``gov_census``, as many of every label, sex, race and origin."""
    from evenhand.training.recipes import census

    rows, schema, _ = census.read(data)
    test = rows.of("test").tolist()
    random.Random(SEED).shuffle(test)
    names = census.COLUMNS.attributes
    cells: dict[tuple[int, ...], list[int]] = {}
    for row in test:
        cells.setdefault((rows.labels[row], *(rows.groups[name][row] for name in names)), []).append(row)
    for row in itertools.chain.from_iterable(
        zip(*(of[: STAFF // len(cells)] for _, of in sorted(cells.items())), strict=True)
    ):
        groups = {name: schema.groups[name][rows.groups[name][row]] for name in names}
        yield {"input": _short(rows.items[row]), "groups": groups, "label": schema.labels[rows.labels[row]]}


def _short(item: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers without a fraction."""
    return {name: int(value) if isinstance(value, float) else value for name, value in item.items()}


def as_lines(rows: Iterable[dict[str, Any]]) -> str:
    """Rows as a file holds them."""
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in rows)


def write(name: str, rows: Iterable[dict[str, Any]]) -> None:
    """Write the traffic of one model."""
    file = OUT / f"{name}.jsonl"
    file.write_text(as_lines(rows), encoding="utf-8")
    print(f"wrote {file}")


def main() -> None:
    """Write all files whose data is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the data sets; without it the salaries stay")
    options = parser.parse_args()
    write("hate-speech", speech())
    if options.data is not None:
        write("government-salary", staff(options.data))


if __name__ == "__main__":
    main()
