"""Sessions add up what the power said, to hold the register against."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("sessions", sa.Column("power_wh", sa.Double(), nullable=False, server_default="0"))
