"""Ids that other systems have for their decisions."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "own_ids",
        sa.Column("model", sa.String(64), primary_key=True),
        sa.Column("own_id", sa.String(128), primary_key=True),
        sa.Column("decision", sa.String(26), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("own_ids_decision", "own_ids", ["decision"])
