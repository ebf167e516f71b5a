"""Stations may prove themselves by certificate, change their password, and be held to a security profile."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")


def upgrade() -> None:
    op.add_column("stations", sa.Column("next_password_hash", Text, nullable=True))
    op.add_column("stations", sa.Column("file_password_hash", Text, nullable=True))
    op.add_column("stations", sa.Column("certificate", Text, nullable=True))
    op.add_column("stations", sa.Column("security_profile", sa.Integer, nullable=False, server_default="0"))
