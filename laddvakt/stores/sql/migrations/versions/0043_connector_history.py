"""What connectors did, change by change, for reliability figures."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0043"
down_revision = "0035"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
UtcTime = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    op.create_table(
        "connector_history",
        sa.Column("station_id", Text, nullable=False),
        sa.Column("connector_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("at", UtcTime, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("connected", sa.Boolean(), nullable=False),
        sa.Column("error_code", Text, nullable=False),
        sa.PrimaryKeyConstraint("station_id", "connector_id", "at", name="pk_connector_history"),
    )
    op.create_index("ix_connector_history_at", "connector_history", ["at"])
