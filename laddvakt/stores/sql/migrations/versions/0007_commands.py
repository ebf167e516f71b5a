"""Commands to stations, and the session that came of a remote start."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import TEXT

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
_REMOTE_START = sa.text("connector_id IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "commands",
        sa.Column("station_id", Text, nullable=False),
        sa.Column("command_id", Text, nullable=False),
        sa.Column("sent_at", Time, nullable=False),
        sa.Column("action", Text, nullable=False),
        sa.Column("actor", Text, nullable=False),
        sa.Column("request", Text, nullable=False),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("said", Text, nullable=False),
        sa.Column("answered_at", Time, nullable=True),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("token", Text, nullable=True),
        sa.Column("connector_id", sa.BigInteger(), nullable=True),
        sa.Column("remote_start_id", sa.BigInteger(), nullable=True),
        sa.Column("session_id", Text, nullable=True),
        sa.PrimaryKeyConstraint("station_id", "command_id", "sent_at", name="pk_commands"),
    )
    op.create_index(
        "ix_commands_station_id_sent_at_command_id", "commands", ["station_id", "sent_at", "command_id"]
    )
    op.create_index(
        "ix_commands_remote_starts",
        "commands",
        ["station_id", "sent_at"],
        sqlite_where=_REMOTE_START,
        postgresql_where=_REMOTE_START,
    )
    op.add_column("sessions", sa.Column("command_id", Text, nullable=True))
