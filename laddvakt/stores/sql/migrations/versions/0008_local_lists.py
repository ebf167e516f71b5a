"""Tokens for stations' local lists: the idTag itself, encrypted, and the list version of its last change."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("tokens", sa.Column("id_tag_sealed", Text, nullable=True))
    op.add_column("tokens", sa.Column("listed", sa.BigInteger(), nullable=True))
