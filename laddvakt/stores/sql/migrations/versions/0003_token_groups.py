"""Tokens have a group, and sessions say how the driver identified."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("tokens", sa.Column("group_id", Text, nullable=True))
    op.add_column("sessions", sa.Column("token_kind", sa.Text(), nullable=True))
