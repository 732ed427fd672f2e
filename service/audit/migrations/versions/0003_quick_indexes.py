"""Fewer places in the indexes for each decision, and a table for groups that wait for their decision.

An index of days beside the pseudonyms held every pseudonym again, in an order of its own. Few records have a
subject, and all had a place in its index.
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

NAME = sa.String(64)


def upgrade() -> None:
    """Make ``attributes`` anew with the day first in its key, and the index of subjects without gaps."""
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SET LOCAL statement_timeout = 0"))  # for a large record takes a while
        op.drop_index("attributes_day", "attributes")
        op.drop_constraint("attributes_pkey", "attributes")
        op.create_primary_key("attributes_pkey", "attributes", ["day", "pseudonym", "attribute"])
    else:
        op.drop_index("attributes_day", "attributes")
        op.rename_table("attributes", "attributes_before")
        op.create_table(
            "attributes",
            sa.Column("pseudonym", sa.String(32), nullable=False),
            sa.Column("attribute", NAME, nullable=False),
            sa.Column("group", NAME, nullable=False),
            sa.Column("day", sa.Integer, nullable=False),
            sa.PrimaryKeyConstraint("day", "pseudonym", "attribute"),
            sqlite_with_rowid=False,
        )
        connection.execute(
            sa.text(
                'INSERT INTO attributes (pseudonym, attribute, "group", day) '
                'SELECT pseudonym, attribute, "group", day FROM attributes_before '
                "ORDER BY day, pseudonym, attribute"
            )
        )
        op.drop_table("attributes_before")
    op.create_table(
        "waiting_groups",
        sa.Column("name", sa.String(32), primary_key=True),
        sa.Column("groups", sa.Text, nullable=False),
        sa.Column("at_ms", sa.BigInteger, nullable=False),
    )
    op.create_index("waiting_groups_at_ms", "waiting_groups", ["at_ms"])
    op.drop_index("records_subject", "records")
    op.create_index(
        "records_subject", "records", ["subject"],
        sqlite_where=sa.text("subject IS NOT NULL"), postgresql_where=sa.text("subject IS NOT NULL"),
    )  # fmt: skip
