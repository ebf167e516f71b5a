"""What else a fault may lie in, the picture of its evidence, and related tickets."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("tickets") as table:
        table.add_column(sa.Column("suspects", sa.Text(), nullable=False, server_default="[]"))
        table.add_column(sa.Column("chart", sa.Text(), nullable=True))
        table.add_column(sa.Column("related", sa.Text(), nullable=False, server_default="[]"))
    with op.batch_alter_table("tickets") as table:
        for name in ("suspects", "related"):
            table.alter_column(name, server_default=None)
