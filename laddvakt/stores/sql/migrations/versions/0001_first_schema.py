"""The first schema of the records."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy import Column
from sqlalchemy.dialects.postgresql import TEXT

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# As the types of the schema store them: a migration stands for ever, so it does not import what may change.
Text = sa.Text().with_variant(TEXT(collation="C"), "postgresql")
Time = sa.DateTime(timezone=True).with_variant(sa.BigInteger(), "sqlite")
Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "api_tokens",
        Column("name", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("token_hash", Text, nullable=False),
        Column("created_at", Time, nullable=False),
        Column("driver_id", Text, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_api_tokens")),
    )
    op.create_index(op.f("ix_api_tokens_token_hash"), "api_tokens", ["token_hash"], unique=True)
    op.create_table(
        "assignments",
        Column("number", sa.Integer(), autoincrement=False, nullable=False),
        Column("tariff_id", Text, nullable=False),
        Column("scope", Text, nullable=False),
        Column("target", Text, nullable=False),
        Column("valid_from", Time, nullable=True),
        Column("valid_to", Time, nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_assignments")),
    )
    op.create_table(
        "audit",
        Column("number", Number, autoincrement=True, nullable=False),
        Column("at", Time, nullable=False),
        Column("actor", Text, nullable=False),
        Column("action", Text, nullable=False),
        Column("object", Text, nullable=False),
        Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit")),
    )
    op.create_index(op.f("ix_audit_at_number"), "audit", ["at", "number"], unique=False)
    op.create_table(
        "deliveries",
        Column("delivery_id", Text, nullable=False),
        Column("ticket_id", Text, nullable=False),
        Column("route_id", Text, nullable=False),
        Column("event", Text, nullable=False),
        Column("at", Time, nullable=False),
        Column("ok", sa.Boolean(), nullable=False),
        Column("detail", Text, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
    )
    op.create_index(op.f("ix_deliveries_ticket_id"), "deliveries", ["ticket_id"], unique=False)
    op.create_table(
        "detector_models",
        Column("name", Text, nullable=False),
        Column("version", sa.Integer(), autoincrement=False, nullable=False),
        Column("data", sa.LargeBinary(), nullable=False),
        Column("info", sa.Text(), nullable=False),
        Column("created_at", Time, nullable=False),
        sa.PrimaryKeyConstraint("name", "version", name=op.f("pk_detector_models")),
    )
    op.create_table(
        "detector_states",
        Column("station_id", Text, nullable=False),
        Column("state", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("station_id", name=op.f("pk_detector_states")),
    )
    op.create_table(
        "drivers",
        Column("driver_id", Text, nullable=False),
        Column("name_sealed", Text, nullable=True),
        Column("email_sealed", Text, nullable=True),
        Column("phone_sealed", Text, nullable=True),
        Column("plan", Text, nullable=True),
        sa.PrimaryKeyConstraint("driver_id", name=op.f("pk_drivers")),
    )
    op.create_table(
        "positions",
        Column("consumer", Text, nullable=False),
        Column("partition", sa.Integer(), autoincrement=False, nullable=False),
        Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "partition", name=op.f("pk_positions")),
    )
    op.create_table(
        "quarantine",
        Column("item_id", Text, nullable=False),
        Column("station_id", Text, nullable=False),
        Column("received_at", Time, nullable=False),
        Column("reason", sa.Text(), nullable=False),
        Column("detail", Text, nullable=False),
        Column("raw", Text, nullable=False),
        sa.PrimaryKeyConstraint("item_id", name=op.f("pk_quarantine")),
    )
    op.create_index(op.f("ix_quarantine_reason"), "quarantine", ["reason"], unique=False)
    op.create_index(
        op.f("ix_quarantine_received_at_item_id"), "quarantine", ["received_at", "item_id"], unique=False
    )
    op.create_index(
        op.f("ix_quarantine_station_id_received_at_item_id"),
        "quarantine",
        ["station_id", "received_at", "item_id"],
        unique=False,
    )
    op.create_table(
        "routes",
        Column("route_id", Text, nullable=False),
        Column("number", sa.Integer(), nullable=False),
        Column("urls_sealed", Text, nullable=False),
        Column("sites", sa.Text(), nullable=False),
        Column("severities", sa.Text(), nullable=False),
        Column("escalate_after_s", sa.BigInteger(), nullable=True),
        Column("hours", Text, nullable=True),
        sa.PrimaryKeyConstraint("route_id", name=op.f("pk_routes")),
    )
    op.create_table(
        "sessions",
        Column("session_id", Text, nullable=False),
        Column("station_id", Text, nullable=False),
        Column("connector_id", sa.BigInteger(), nullable=False),
        Column("evse_id", sa.BigInteger(), nullable=True),
        Column("site_id", Text, nullable=True),
        Column("cable_id", Text, nullable=True),
        Column("transaction_id", Text, nullable=False),
        Column("token", Text, nullable=True),
        Column("driver_id", Text, nullable=True),
        Column("state", sa.Text(), nullable=False),
        Column("started_at", Time, nullable=False),
        Column("ended_at", Time, nullable=True),
        Column("last_reading_at", Time, nullable=True),
        Column("duration_s", sa.BigInteger(), nullable=False),
        Column("meter_start_wh", sa.BigInteger(), nullable=True),
        Column("meter_last_wh", sa.Double(), nullable=True),
        Column("meter_stop_wh", sa.BigInteger(), nullable=True),
        Column("energy_wh", sa.BigInteger(), nullable=False),
        Column("power_w", sa.Double(), nullable=True),
        Column("soc_pct", sa.Double(), nullable=True),
        Column("charging_type", Text, nullable=True),
        Column("currency", Text, nullable=True),
        Column("excl_vat", sa.BigInteger(), nullable=True),
        Column("vat", sa.BigInteger(), nullable=True),
        Column("incl_vat", sa.BigInteger(), nullable=True),
        Column("cost_lines", sa.Text(), nullable=True),
        Column("tariff_id", Text, nullable=True),
        Column("tariff_version", sa.Integer(), nullable=True),
        Column("stop_reason", Text, nullable=True),
        Column("quality", sa.Text(), nullable=False),
        Column("quality_reasons", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("session_id", name=op.f("pk_sessions")),
    )
    op.create_index(
        op.f("ix_sessions_driver_id_started_at_session_id"),
        "sessions",
        ["driver_id", "started_at", "session_id"],
        unique=False,
    )
    op.create_index(op.f("ix_sessions_ended_at"), "sessions", ["ended_at"], unique=False)
    op.create_index(
        op.f("ix_sessions_started_at_session_id"), "sessions", ["started_at", "session_id"], unique=False
    )
    op.create_index(
        op.f("ix_sessions_station_id_started_at_session_id"),
        "sessions",
        ["station_id", "started_at", "session_id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_sessions_station_id_transaction_id"), "sessions", ["station_id", "transaction_id"], unique=False
    )
    op.create_index(
        "ix_sessions_unended",
        "sessions",
        ["station_id"],
        unique=False,
        sqlite_where=sa.text("state <> 'ended'"),
        postgresql_where=sa.text("state <> 'ended'"),
    )
    op.create_table(
        "sites",
        Column("site_id", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("timezone", Text, nullable=False),
        Column("currency", Text, nullable=False),
        Column("latitude", sa.Double(), nullable=True),
        Column("longitude", sa.Double(), nullable=True),
        Column("opening_hours", Text, nullable=True),
        sa.PrimaryKeyConstraint("site_id", name=op.f("pk_sites")),
    )
    op.create_table(
        "stations",
        Column("station_id", Text, nullable=False),
        Column("site_id", Text, nullable=True),
        Column("vendor", Text, nullable=True),
        Column("model", Text, nullable=True),
        Column("serial_number", Text, nullable=True),
        Column("firmware", Text, nullable=True),
        Column("protocol", Text, nullable=True),
        Column("connected", sa.Boolean(), nullable=False),
        Column("last_seen", Time, nullable=True),
        Column("booted_at", Time, nullable=True),
        Column("state", sa.Text(), nullable=False),
        Column("max_power_w", sa.Double(), nullable=True),
        Column("phases", sa.Integer(), nullable=True),
        Column("current", Text, nullable=True),
        Column("registered", sa.Boolean(), nullable=False),
        Column("password_hash", Text, nullable=True),
        sa.PrimaryKeyConstraint("station_id", name=op.f("pk_stations")),
    )
    op.create_index(op.f("ix_stations_site_id"), "stations", ["site_id"], unique=False)
    op.create_table(
        "tariff_versions",
        Column("tariff_id", Text, nullable=False),
        Column("version", sa.Integer(), autoincrement=False, nullable=False),
        Column("valid_from", Time, nullable=False),
        Column("ocpi", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tariff_id", "version", name=op.f("pk_tariff_versions")),
    )
    op.create_table(
        "tickets",
        Column("ticket_id", Text, nullable=False),
        Column("fault", Text, nullable=False),
        Column("asset_kind", Text, nullable=False),
        Column("asset_id", Text, nullable=False),
        Column("station_id", Text, nullable=False),
        Column("connector_id", sa.BigInteger(), nullable=True),
        Column("site_id", Text, nullable=True),
        Column("severity", sa.Text(), nullable=False),
        Column("state", sa.Text(), nullable=False),
        Column("opened_at", Time, nullable=False),
        Column("updated_at", Time, nullable=False),
        Column("resolved_at", Time, nullable=True),
        Column("assignee", Text, nullable=True),
        Column("probable_cause", Text, nullable=False),
        Column("evidence", sa.Text(), nullable=False),
        Column("explanation", Text, nullable=False),
        Column("suggested_action", Text, nullable=False),
        Column("mrec", sa.Text(), nullable=False),
        Column("risk_amount", sa.BigInteger(), nullable=True),
        Column("risk_currency", Text, nullable=True),
        Column("confidence", sa.Double(), nullable=False),
        Column("findings", sa.BigInteger(), nullable=False),
        Column("verdict", Text, nullable=True),
        sa.PrimaryKeyConstraint("ticket_id", name=op.f("pk_tickets")),
    )
    op.create_index(op.f("ix_tickets_asset_id_opened_at"), "tickets", ["asset_id", "opened_at"], unique=False)
    op.create_index(op.f("ix_tickets_opened_at_ticket_id"), "tickets", ["opened_at", "ticket_id"], unique=False)
    op.create_index(op.f("ix_tickets_resolved_at"), "tickets", ["resolved_at"], unique=False)
    op.create_index(op.f("ix_tickets_state_opened_at"), "tickets", ["state", "opened_at"], unique=False)
    op.create_index(op.f("ix_tickets_station_id_opened_at"), "tickets", ["station_id", "opened_at"], unique=False)
    op.create_table(
        "tokens",
        Column("token", Text, nullable=False),
        Column("label", Text, nullable=False),
        Column("kind", sa.Text(), nullable=False),
        Column("driver_id", Text, nullable=True),
        Column("status", sa.Text(), nullable=False),
        Column("expires_at", Time, nullable=True),
        sa.PrimaryKeyConstraint("token", name=op.f("pk_tokens")),
    )
    op.create_index(op.f("ix_tokens_driver_id"), "tokens", ["driver_id"], unique=False)
    op.create_table(
        "users",
        Column("name", Text, nullable=False),
        Column("role", Text, nullable=False),
        Column("password_hash", Text, nullable=False),
        Column("driver_id", Text, nullable=True),
        Column("disabled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_users")),
    )
    op.create_table(
        "connectors",
        Column("station_id", Text, nullable=False),
        Column("connector_id", sa.BigInteger(), autoincrement=False, nullable=False),
        Column("evse_id", sa.BigInteger(), nullable=True),
        Column("type", Text, nullable=True),
        Column("max_current_a", sa.Double(), nullable=True),
        Column("max_power_w", sa.Double(), nullable=True),
        Column("cable_id", Text, nullable=True),
        Column("status", sa.Text(), nullable=False),
        Column("status_since", Time, nullable=True),
        Column("error_code", Text, nullable=False),
        Column("vendor_error_code", Text, nullable=True),
        Column("info", Text, nullable=True),
        Column("power_w", sa.Double(), nullable=True),
        Column("session_id", Text, nullable=True),
        sa.ForeignKeyConstraint(
            ["station_id"], ["stations.station_id"], name=op.f("fk_connectors_station_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("station_id", "connector_id", name=op.f("pk_connectors")),
    )
    op.create_table(
        "ticket_events",
        Column("ticket_id", Text, nullable=False),
        Column("number", sa.Integer(), autoincrement=False, nullable=False),
        Column("at", Time, nullable=False),
        Column("action", sa.Text(), nullable=False),
        Column("actor", Text, nullable=False),
        Column("detail", Text, nullable=False),
        Column("data", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.ticket_id"], name=op.f("fk_ticket_events_ticket_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("ticket_id", "number", name=op.f("pk_ticket_events")),
    )


def downgrade() -> None:
    for table in (
        "ticket_events",
        "connectors",
        "api_tokens",
        "assignments",
        "audit",
        "deliveries",
        "detector_models",
        "detector_states",
        "drivers",
        "positions",
        "quarantine",
        "routes",
        "sessions",
        "sites",
        "stations",
        "tariff_versions",
        "tickets",
        "tokens",
        "users",
    ):
        op.drop_table(table)
