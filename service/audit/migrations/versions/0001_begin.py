"""The record's first tables.

Written out, not taken from ``evenhand.service.audit.tables``: what a step does must not change when the
tables do.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
ID, NAME, HASH = sa.String(26), sa.String(64), sa.LargeBinary(32)


def upgrade() -> None:
    """Make the tables, and begin the chain."""
    _make_chain()
    _make_facts()
    _make_counts()


def _make_chain() -> None:
    op.create_table(
        "records",
        sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("kind", NAME, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("subject", ID),
        sa.Column("body", sa.Text),
        sa.Column("body_sha256", HASH, nullable=False),
        sa.Column("link", HASH, nullable=False),
    )
    op.create_index("records_id", "records", ["id"], unique=True)
    op.create_index("records_subject", "records", ["subject"])
    op.create_index("records_at_ms", "records", ["at_ms"])
    chain = op.create_table(
        "chain",
        sa.Column("name", NAME, primary_key=True),
        sa.Column("pruned_seq", NUMBER, nullable=False),
        sa.Column("pruned_link", HASH, nullable=False),
        sa.Column("seq", NUMBER, nullable=False),
        sa.Column("link", HASH, nullable=False),
    )
    genesis = bytes(32)
    op.bulk_insert(
        chain, [{"name": "records", "pruned_seq": 0, "pruned_link": genesis, "seq": 0, "link": genesis}]
    )


def _make_facts() -> None:
    op.create_table(
        "configurations",
        sa.Column("sha256", sa.String(64), primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "checkpoints",
        sa.Column("seq", NUMBER, primary_key=True, autoincrement=False),
        sa.Column("link", HASH, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
        sa.Column("public_key", HASH, nullable=False),
        sa.Column("signature", sa.LargeBinary(64), nullable=False),
    )
    op.create_table(
        "labels",
        sa.Column("decision", ID, primary_key=True),
        sa.Column("label", NAME, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "attributes",
        sa.Column("pseudonym", sa.String(32), primary_key=True),
        sa.Column("attribute", NAME, primary_key=True),
        sa.Column("group", NAME, nullable=False),
        sa.Column("day", sa.Integer, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("attributes_day", "attributes", ["day"])
    op.create_table(
        "about", sa.Column("name", NAME, primary_key=True), sa.Column("value", sa.Text, nullable=False)
    )


def _make_counts() -> None:
    grouped = ("model", "attribute", "group", "source")
    _make_cells("hourly_decisions", grouped, ("base", "final", "bin"), ("score",))
    _make_cells("hourly_outcomes", grouped, ("base", "final", "label", "bin"), ("score",))
    _make_cells("hourly_risk", ("model", "attribute"), ("base", "final", "bin"), ("risk", "risk_squared"))
    op.create_table(
        "evidence",
        *(sa.Column(key, NAME, primary_key=True) for key in ("model", "attribute", "group", "metric")),
        sa.Column("state", sa.Text, nullable=False),
    )


def _make_cells(name: str, keys: tuple[str, ...], bits: tuple[str, ...], sums: tuple[str, ...]) -> None:
    op.create_table(
        name,
        sa.Column("hour", sa.Integer, primary_key=True, autoincrement=False),
        *(sa.Column(key, NAME, primary_key=True) for key in keys),
        *(sa.Column(bit, sa.SmallInteger, primary_key=True, autoincrement=False) for bit in bits),
        sa.Column("n", sa.BigInteger, nullable=False),
        *(sa.Column(total, sa.Float, nullable=False) for total in sums),
        sqlite_with_rowid=False,
    )
