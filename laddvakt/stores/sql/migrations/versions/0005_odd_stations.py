"""What odd stations need: registers that begin anew, an independent meter beside, clocks that are off, and how
often messages broke the specification."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    for name, column in (
        ("sessions", sa.Column("readings_ignored", sa.BigInteger(), nullable=False, server_default="0")),
        ("sessions", sa.Column("register_base_wh", sa.Double(), nullable=False, server_default="0")),
        ("sessions", sa.Column("register_aside_wh", sa.Double(), nullable=True)),
        ("sessions", sa.Column("meter_check", sa.Text(), nullable=True)),
        ("stations", sa.Column("clock_offset_s", sa.Double(), nullable=True)),
        ("stations", sa.Column("non_conforming", sa.BigInteger(), nullable=False, server_default="0")),
        ("stations", sa.Column("non_conforming_detail", Text, nullable=True)),
        ("connectors", sa.Column("meter_wh", sa.Double(), nullable=True)),
        ("connectors", sa.Column("meter_at", Time, nullable=True)),
        ("connectors", sa.Column("meter_session_id", Text, nullable=True)),
    ):
        op.add_column(name, column)
