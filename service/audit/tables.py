"""The tables of the record, for SQLite and PostgreSQL alike. Alembic's migrations make the same.

``records`` is the chain: nothing in it is ever changed, but a body may be erased, for a link covers the
body's hash and not the body. Sensitive attributes are in a table of their own, under a pseudonym that only
the key can make, dated by the day alone, so that neither a key-less reader nor the order of rows leads from
one to the other.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

META = MetaData()
NUMBER = BigInteger().with_variant(Integer, "sqlite")
"""SQLite's row number is an INTEGER, and of 64 bits."""
HAS_SUBJECT = text("subject IS NOT NULL")
ID, NAME, HASH = String(26), String(64), LargeBinary(32)

records = Table(
    "records",
    META,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),  # 1, 2, 3, ... without holes
    Column("id", ID, nullable=False),  # a decision's id is the one that its caller got
    Column("kind", NAME, nullable=False),
    Column("at_ms", BigInteger, nullable=False),  # milliseconds since 1970
    Column("subject", ID),  # the decision that an event is about
    Column("body", Text),  # JSON; null once erased
    Column("body_sha256", HASH, nullable=False),
    Column("link", HASH, nullable=False),  # see evenhand.service.audit.chain
    Index("records_id", "id", unique=True),
    Index("records_subject", "subject", sqlite_where=HAS_SUBJECT, postgresql_where=HAS_SUBJECT),
    Index("records_at_ms", "at_ms"),
)

chain = Table(  # one row: where the chain begins and ends
    "chain",
    META,
    Column("name", NAME, primary_key=True),
    Column("pruned_seq", NUMBER, nullable=False),  # the last record that was pruned; 0 if none was
    Column("pruned_link", HASH, nullable=False),
    Column("seq", NUMBER, nullable=False),
    Column("link", HASH, nullable=False),
)

configurations = Table(  # what decisions refer to by its hash: version, bundle, thresholds, modes, labels
    "configurations",
    META,
    Column("sha256", String(64), primary_key=True),
    Column("body", Text, nullable=False),
)

checkpoints = Table(
    "checkpoints",
    META,
    Column("seq", NUMBER, primary_key=True, autoincrement=False),
    Column("link", HASH, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("public_key", HASH, nullable=False),
    Column("signature", LargeBinary(64), nullable=False),
)

labels = Table(  # the true label of a decision, once known: one each
    "labels",
    META,
    Column("decision", ID, primary_key=True),
    Column("label", NAME, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

attributes = Table(  # declared sensitive attributes
    "attributes",
    META,
    Column("pseudonym", String(32), nullable=False),  # see evenhand.service.audit.digest_keys
    Column("attribute", NAME, nullable=False),
    Column("group", NAME, nullable=False),
    Column("day", Integer, nullable=False),  # of the decision, days since 1970
    # One index by day and pseudonym: each further one would be a page elsewhere for every row.
    PrimaryKeyConstraint("day", "pseudonym", "attribute"),
    sqlite_with_rowid=False,
)

own_ids = Table(  # which decisions a caller's own id names; several, where it was sent again
    "own_ids",
    META,
    Column("pseudonym", String(32), primary_key=True),  # see evenhand.service.audit.pseudonyms
    Column("decision", ID, primary_key=True),
    Column("model", NAME, nullable=False),
    Index("own_ids_decision", "decision"),
    sqlite_with_rowid=False,
)

waiting_groups = Table(  # of requests made elsewhere, until their response comes
    "waiting_groups",
    META,
    Column("name", String(32), primary_key=True),  # a pseudonym of the request's id
    Column("groups", Text, nullable=False),  # JSON: one object for each row
    Column("at_ms", BigInteger, nullable=False),
    Index("waiting_groups_at_ms", "at_ms"),
)

_CELL = ("model", "attribute", "group", "source")


def _cells(name: str, keys: tuple[str, ...], bits: tuple[str, ...], sums: tuple[str, ...]) -> Table:
    return Table(
        name,
        META,
        Column("hour", Integer, primary_key=True, autoincrement=False),  # of the decision, hours since 1970
        *(Column(key, NAME, primary_key=True) for key in keys),
        *(Column(bit, SmallInteger, primary_key=True, autoincrement=False) for bit in bits),
        Column("n", BigInteger, nullable=False),
        *(Column(total, Float, nullable=False) for total in sums),
        sqlite_with_rowid=False,
    )


hourly_decisions = _cells("hourly_decisions", _CELL, ("base", "final", "bin"), ("score",))
"""``bin`` is the tenth (0 to 9) of the served probability of a favourable label; ``score`` the sum of these.
Abstained decisions are in it again under sources of their own (evenhand.service.audit.aggregates): a sum must
name its source."""
hourly_outcomes = _cells("hourly_outcomes", _CELL, ("base", "final", "label", "bin"), ("score",))
hourly_risk = _cells(
    "hourly_risk", ("model", "attribute"), ("base", "final", "bin"), ("risk", "risk_squared")
)
"""Every decision by the tenth of its risk, whether or not a group was declared."""

evidence = Table(
    "evidence",
    META,
    *(Column(key, NAME, primary_key=True) for key in ("model", "attribute", "group", "metric")),
    Column("state", Text, nullable=False),  # JSON of evenhand.service.monitoring.sequential.evidence
)

about = Table(  # facts about this database: fingerprint of its key, the evaluator's cursor
    "about", META, Column("name", NAME, primary_key=True), Column("value", Text, nullable=False)
)
