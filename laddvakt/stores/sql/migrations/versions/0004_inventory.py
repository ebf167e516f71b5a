"""What stations say of themselves: device model, security log, how updates and uploads go, who limits them, and
what their vehicles ask for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import TEXT

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.add_column("stations", Column("firmware_status", Text, nullable=True))
    op.add_column("stations", Column("diagnostics_status", Text, nullable=True))
    op.add_column("connectors", Column("limited_by", Text, nullable=True))
    op.add_column("sessions", Column("requested_energy_wh", sa.BigInteger(), nullable=True))
    op.add_column("sessions", Column("departure_at", Time, nullable=True))
    op.create_table(
        "variables",
        Column("station_id", Text, nullable=False),
        Column("variable_id", Text, nullable=False),
        Column("component", Text, nullable=False),
        Column("component_instance", Text, nullable=True),
        Column("variable", Text, nullable=False),
        Column("variable_instance", Text, nullable=True),
        Column("evse_id", sa.BigInteger(), nullable=True),
        Column("connector_id", sa.BigInteger(), nullable=False),
        Column("attribute", Text, nullable=False),
        Column("value", Text, nullable=True),
        Column("mutability", Text, nullable=True),
        Column("unit", Text, nullable=True),
        Column("reported_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("station_id", "variable_id", name=op.f("pk_variables")),
    )
    op.create_table(
        "security_events",
        Column("event_id", Text, nullable=False),
        Column("station_id", Text, nullable=False),
        Column("at", Time, nullable=False),
        Column("received_at", Time, nullable=False),
        Column("event", Text, nullable=False),
        Column("info", Text, nullable=True),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_security_events")),
    )
    op.create_index(op.f("ix_security_events_at_event_id"), "security_events", ["at", "event_id"])
    op.create_index(
        op.f("ix_security_events_station_id_at_event_id"), "security_events", ["station_id", "at", "event_id"]
    )
