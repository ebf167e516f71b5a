"""Since when a station's link has been up, which tells it from the station's other links."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.add_column("stations", sa.Column("connected_since", Time, nullable=True))


def downgrade() -> None:
    op.drop_column("stations", "connected_since")
