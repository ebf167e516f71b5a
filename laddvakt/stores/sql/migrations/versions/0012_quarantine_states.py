"""Messages that were set aside: what it takes to read them again, and what became of them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    with op.batch_alter_table("quarantine") as table:
        table.add_column(sa.Column("kind", sa.Text(), nullable=False, server_default="ocpp_in"))
        table.add_column(sa.Column("protocol", Text, nullable=True))
        table.add_column(sa.Column("topic", Text, nullable=True))
        table.add_column(sa.Column("state", sa.Text(), nullable=False, server_default="open"))
        table.add_column(sa.Column("tried_at", Time, nullable=True))
        table.add_column(sa.Column("settled_at", Time, nullable=True))
        table.add_column(sa.Column("settled_by", Text, nullable=True))
        table.add_column(sa.Column("outcome", Text, nullable=False, server_default=""))
    with op.batch_alter_table("quarantine") as table:
        table.alter_column("kind", server_default=None)
        table.alter_column("state", server_default=None)
        table.alter_column("outcome", server_default=None)
    # A device's message that was kept without its topic cannot be read again, and must not be taken for OCPP.
    op.execute("UPDATE quarantine SET kind = 'mqtt' WHERE reason = 'bad_mqtt_payload'")
    op.create_index("ix_quarantine_state_received_at_item_id", "quarantine", ["state", "received_at", "item_id"])
