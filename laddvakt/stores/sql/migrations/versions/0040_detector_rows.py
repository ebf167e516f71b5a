"""What models learn from, kept as it comes instead of written anew as a whole."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0040"
down_revision = "0043"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
RowNumber = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "detector_rows",
        sa.Column("number", RowNumber, nullable=False),
        sa.Column("name", Text, nullable=False),
        sa.Column("until", Time, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_detector_rows"),
    )
    op.create_index("ix_detector_rows_name_number", "detector_rows", ["name", "number"])
    op.create_index("ix_detector_rows_until", "detector_rows", ["until"])
    op.execute("DELETE FROM detector_states WHERE station_id = '~windows'")
