"""Silences; and of tickets: comings and goings, storms, what holds them back, and the right asset of a verdict."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0030"
down_revision = "0014"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "silences",
        sa.Column("silence_id", Text, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("target", Text, nullable=False),
        sa.Column("fault", Text),
        sa.Column("from_", Time, nullable=False),
        sa.Column("until", Time, nullable=False),
        sa.Column("reason", Text, nullable=False),
        sa.Column("created_by", Text, nullable=False),
        sa.Column("created_at", Time, nullable=False),
        sa.Column("ended_at", Time),
        sa.Column("ended_by", Text),
        sa.PrimaryKeyConstraint("silence_id", name="pk_silences"),
    )
    op.create_index("ix_silences_from__silence_id", "silences", ["from_", "silence_id"])
    with op.batch_alter_table("tickets") as table:
        table.add_column(sa.Column("changes", sa.Text(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("flapping_since", Time))
        table.add_column(sa.Column("held_by", Text))
        table.add_column(sa.Column("storm", Text))
        table.add_column(sa.Column("right_asset", sa.Text()))
    with op.batch_alter_table("tickets") as table:
        table.alter_column("changes", server_default=None)
