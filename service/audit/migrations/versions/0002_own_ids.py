"""Own ids: which decisions a caller's own id names, under a pseudonym that only the key can make."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

ID, NAME = sa.String(26), sa.String(64)


def upgrade() -> None:
    """Make the table; decisions before it have no own id."""
    op.create_table(
        "own_ids",
        sa.Column("pseudonym", sa.String(32), primary_key=True),
        sa.Column("decision", ID, primary_key=True),
        sa.Column("model", NAME, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("own_ids_decision", "own_ids", ["decision"])
