"""The tables of the records. The migrations build exactly this; a test compares the two."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, text

from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.entries import EntryKind
from laddvakt.domain.facts import QuarantineReason
from laddvakt.domain.oncall import Rota
from laddvakt.domain.quarantine import QuarantineState
from laddvakt.domain.sessions import CostLine, MeterCheck, Quality, SessionState
from laddvakt.domain.silences import SilenceKind, SilenceScope
from laddvakt.domain.stations import ConnectorState, StationState
from laddvakt.domain.tickets import Asset, Chart, Evidence, Severity, Suspect, TicketAction, TicketState
from laddvakt.domain.tokens import AuthorizationStatus, TokenKind
from laddvakt.stores.sql.types import AnyText, Finite, Json, MoneyAmount, OneOf, UtcTime

metadata = sa.MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite gives out row numbers only for a column that is exactly INTEGER.
_RowNumber = sa.BigInteger().with_variant(Integer(), "sqlite")

sites = Table(
    "sites",
    metadata,
    Column("site_id", AnyText, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("timezone", AnyText, nullable=False),
    Column("currency", AnyText, nullable=False),
    Column("latitude", Finite),
    Column("longitude", Finite),
    Column("opening_hours", AnyText),
)

stations = Table(
    "stations",
    metadata,
    Column("station_id", AnyText, primary_key=True),
    Column("site_id", AnyText, index=True),
    Column("vendor", AnyText),
    Column("model", AnyText),
    Column("serial_number", AnyText),
    Column("firmware", AnyText),
    Column("protocol", AnyText),
    Column("connected", Boolean, nullable=False),
    Column("connected_since", UtcTime),
    Column("last_seen", UtcTime),
    Column("booted_at", UtcTime),
    Column("state", OneOf(StationState), nullable=False),
    Column("max_power_w", Finite),
    Column("phases", Integer),
    Column("current", AnyText),
    Column("registered", Boolean, nullable=False),
    Column("firmware_status", AnyText),
    Column("diagnostics_status", AnyText),
    Column("clock_offset_s", Finite),
    Column("non_conforming", sa.BigInteger, nullable=False, server_default="0"),
    Column("non_conforming_detail", AnyText),
    Column("password_hash", AnyText),
    Column("next_password_hash", AnyText),
    Column("file_password_hash", AnyText),
    Column("certificate", AnyText),
    Column("certificate_expires_at", UtcTime),
    Column("security_profile", Integer, nullable=False, server_default="0"),
)

connectors = Table(
    "connectors",
    metadata,
    Column("station_id", AnyText, ForeignKey(stations.c.station_id, ondelete="CASCADE"), primary_key=True),
    Column("connector_id", sa.BigInteger, primary_key=True, autoincrement=False),
    Column("evse_id", sa.BigInteger),
    Column("type", AnyText),
    Column("max_current_a", Finite),
    Column("max_power_w", Finite),
    Column("cable_id", AnyText),
    Column("bay", AnyText),
    Column("status", OneOf(ConnectorState), nullable=False),
    Column("status_since", UtcTime),
    Column("error_code", AnyText, nullable=False),
    Column("vendor_error_code", AnyText),
    Column("info", AnyText),
    Column("power_w", Finite),
    Column("session_id", AnyText),
    Column("limited_by", AnyText),
    Column("meter_wh", Finite),
    Column("meter_at", UtcTime),
    Column("meter_session_id", AnyText),
)

UNENDED = text("state <> 'ended'")
"""A literal, not a parameter: only so can the databases see that the partial index serves the query."""

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", AnyText, primary_key=True),
    Column("station_id", AnyText, nullable=False),
    Column("connector_id", sa.BigInteger, nullable=False),
    Column("evse_id", sa.BigInteger),
    Column("site_id", AnyText),
    Column("cable_id", AnyText),
    Column("transaction_id", AnyText, nullable=False),
    Column("token", AnyText),
    Column("token_kind", OneOf(TokenKind)),
    Column("driver_id", AnyText),
    Column("state", OneOf(SessionState), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("last_reading_at", UtcTime),
    Column("duration_s", sa.BigInteger, nullable=False),
    Column("meter_start_wh", sa.BigInteger),
    Column("meter_last_wh", Finite),
    Column("meter_stop_wh", sa.BigInteger),
    Column("energy_wh", sa.BigInteger, nullable=False),
    Column("power_w", Finite),
    Column("soc_pct", Finite),
    Column("charging_type", AnyText),
    Column("currency", AnyText),
    Column("excl_vat", MoneyAmount),
    Column("vat", MoneyAmount),
    Column("incl_vat", MoneyAmount),
    Column("cost_lines", Json(tuple[CostLine, ...])),
    Column("tariff_id", AnyText),
    Column("tariff_version", Integer),
    Column("stop_reason", AnyText),
    Column("quality", OneOf(Quality), nullable=False),
    Column("quality_reasons", Json(tuple[str, ...]), nullable=False),
    Column("requested_energy_wh", sa.BigInteger),
    Column("departure_at", UtcTime),
    Column("event_numbers", AnyText),
    Column("readings_ignored", sa.BigInteger, nullable=False, server_default="0"),
    Column("register_base_wh", Finite, nullable=False, server_default="0"),
    Column("register_aside_wh", Finite),
    Column("meter_check", Json(MeterCheck)),
    Column("command_id", AnyText),
    Column("power_wh", Finite, nullable=False, server_default="0"),
    Index(None, "started_at", "session_id"),
    Index(None, "station_id", "started_at", "session_id"),
    Index(None, "driver_id", "started_at", "session_id"),
    Index(None, "station_id", "transaction_id"),
    Index(None, "ended_at"),
    Index("ix_sessions_unended", "station_id", sqlite_where=UNENDED, postgresql_where=UNENDED),
)

tickets = Table(
    "tickets",
    metadata,
    Column("ticket_id", AnyText, primary_key=True),
    Column("fault", AnyText, nullable=False),
    Column("asset_kind", AnyText, nullable=False),
    Column("asset_id", AnyText, nullable=False),
    Column("station_id", AnyText, nullable=False),
    Column("connector_id", sa.BigInteger),
    Column("site_id", AnyText),
    Column("severity", OneOf(Severity), nullable=False),
    Column("state", OneOf(TicketState), nullable=False),
    Column("opened_at", UtcTime, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
    Column("resolved_at", UtcTime),
    Column("assignee", AnyText),
    Column("probable_cause", AnyText, nullable=False),
    Column("evidence", Json(tuple[Evidence, ...]), nullable=False),
    Column("explanation", AnyText, nullable=False),
    Column("suggested_action", AnyText, nullable=False),
    Column("mrec", Json(tuple[str, ...]), nullable=False),
    Column("risk_amount", MoneyAmount),
    Column("risk_currency", AnyText),
    Column("confidence", Finite, nullable=False),
    Column("findings", sa.BigInteger, nullable=False),
    Column("verdict", AnyText),
    Column("suspects", Json(tuple[Suspect, ...]), nullable=False),
    Column("chart", Json(Chart)),
    Column("related", Json(tuple[str, ...]), nullable=False),
    Column("changes", Json(tuple[datetime, ...]), nullable=False),
    Column("flapping_since", UtcTime),
    Column("held_by", AnyText),
    Column("storm", AnyText),
    Column("right_asset", Json(Asset)),
    Index(None, "opened_at", "ticket_id"),
    Index(None, "state", "opened_at"),
    Index(None, "asset_id", "opened_at"),
    Index(None, "station_id", "opened_at"),
    Index(None, "resolved_at"),
)

ticket_events = Table(
    "ticket_events",
    metadata,
    Column("ticket_id", AnyText, ForeignKey(tickets.c.ticket_id, ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", UtcTime, nullable=False),
    Column("action", OneOf(TicketAction), nullable=False),
    Column("actor", AnyText, nullable=False),
    Column("detail", AnyText, nullable=False),
    Column("data", Json(dict[str, Any]), nullable=False),
)

silences = Table(
    "silences",
    metadata,
    Column("silence_id", AnyText, primary_key=True),
    Column("kind", OneOf(SilenceKind), nullable=False),
    Column("scope", OneOf(SilenceScope), nullable=False),
    Column("target", AnyText, nullable=False),
    Column("fault", AnyText),
    Column("from_", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("reason", AnyText, nullable=False),
    Column("created_by", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("ended_by", AnyText),
    Index(None, "from_", "silence_id"),
)

tariff_versions = Table(
    "tariff_versions",
    metadata,
    Column("tariff_id", AnyText, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("valid_from", UtcTime, nullable=False),
    Column("ocpi", Json(dict[str, Any]), nullable=False),
)

assignments = Table(
    "assignments",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("tariff_id", AnyText, nullable=False),
    Column("scope", AnyText, nullable=False),
    Column("target", AnyText, nullable=False),
    Column("valid_from", UtcTime),
    Column("valid_to", UtcTime),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token", AnyText, primary_key=True),
    Column("label", AnyText, nullable=False),
    Column("kind", OneOf(TokenKind), nullable=False),
    Column("driver_id", AnyText, index=True),
    Column("status", OneOf(AuthorizationStatus), nullable=False),
    Column("expires_at", UtcTime),
    Column("group_id", AnyText),
    Column("id_tag_sealed", AnyText),  # only where stations are sent local lists
    Column("listed", sa.BigInteger),  # the list version in which it last changed
)

vehicles_seen = Table(  # which vehicle was announced last at a connector; 0: at the station
    "vehicles_seen",
    metadata,
    Column("station_id", AnyText, primary_key=True),
    Column("connector_id", sa.BigInteger, primary_key=True, autoincrement=False),
    Column("token", AnyText, nullable=False),
    Column("seen_at", UtcTime, nullable=False),
)

drivers = Table(
    "drivers",
    metadata,
    Column("driver_id", AnyText, primary_key=True),
    Column("name_sealed", AnyText),
    Column("email_sealed", AnyText),
    Column("phone_sealed", AnyText),
    Column("plan", AnyText),
)

users = Table(
    "users",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("role", AnyText, nullable=False),
    Column("password_hash", AnyText, nullable=False),
    Column("driver_id", AnyText),
    Column("disabled", Boolean, nullable=False),
)

api_tokens = Table(
    "api_tokens",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("role", AnyText, nullable=False),
    Column("token_hash", AnyText, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("driver_id", AnyText),
    Index(None, "token_hash", unique=True),
)

audit = Table(
    "audit",
    metadata,
    Column("number", _RowNumber, primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("actor", AnyText, nullable=False),
    Column("action", AnyText, nullable=False),
    Column("object", AnyText, nullable=False),
    Column("detail", Json(dict[str, Any]), nullable=False),
    Index(None, "at", "number"),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("item_id", AnyText, primary_key=True),
    Column("station_id", AnyText, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("reason", OneOf(QuarantineReason), nullable=False),
    Column("detail", AnyText, nullable=False),
    Column("raw", AnyText, nullable=False),
    Column("kind", OneOf(EntryKind), nullable=False),
    Column("protocol", AnyText),
    Column("topic", AnyText),
    Column("state", OneOf(QuarantineState), nullable=False),
    Column("tried_at", UtcTime),
    Column("settled_at", UtcTime),
    Column("settled_by", AnyText),
    Column("outcome", AnyText, nullable=False),
    Index(None, "received_at", "item_id"),
    Index(None, "station_id", "received_at", "item_id"),
    Index(None, "state", "received_at", "item_id"),
    Index(None, "reason"),
)

variables = Table(
    "variables",
    metadata,
    Column("station_id", AnyText, primary_key=True),
    Column("variable_id", AnyText, primary_key=True),
    Column("component", AnyText, nullable=False),
    Column("component_instance", AnyText),
    Column("variable", AnyText, nullable=False),
    Column("variable_instance", AnyText),
    Column("evse_id", sa.BigInteger),
    Column("connector_id", sa.BigInteger, nullable=False),
    Column("attribute", AnyText, nullable=False),
    Column("value", AnyText),
    Column("mutability", AnyText),
    Column("unit", AnyText),
    Column("reported_at", UtcTime, nullable=False),
)

security_events = Table(
    "security_events",
    metadata,
    Column("event_id", AnyText, primary_key=True),
    Column("station_id", AnyText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("event", AnyText, nullable=False),
    Column("info", AnyText),
    Index(None, "at", "event_id"),
    Index(None, "station_id", "at", "event_id"),
)

connector_history = Table(
    "connector_history",
    metadata,
    Column("station_id", AnyText, primary_key=True),
    Column("connector_id", sa.BigInteger, primary_key=True, autoincrement=False),
    Column("at", UtcTime, primary_key=True),
    Column("status", OneOf(ConnectorState), nullable=False),
    Column("connected", sa.Boolean, nullable=False),
    Column("error_code", AnyText, nullable=False),
    Index(None, "at"),
)

REMOTE_START = text("connector_id IS NOT NULL")

commands = Table(
    "commands",
    metadata,
    Column("station_id", AnyText, primary_key=True),
    Column("command_id", AnyText, primary_key=True),
    Column("sent_at", UtcTime, primary_key=True),  # another central system counts its ids anew
    Column("action", AnyText, nullable=False),
    Column("actor", AnyText, nullable=False),
    Column("request", AnyText, nullable=False),
    Column("status", OneOf(CommandStatus)),
    Column("said", AnyText, nullable=False),
    Column("answered_at", UtcTime),
    Column("late", Boolean, nullable=False),
    Column("token", AnyText),
    Column("connector_id", sa.BigInteger),
    Column("remote_start_id", sa.BigInteger),
    Column("session_id", AnyText),
    Index(None, "station_id", "sent_at", "command_id"),
    Index(
        "ix_commands_remote_starts",
        "station_id",
        "sent_at",
        sqlite_where=REMOTE_START,
        postgresql_where=REMOTE_START,
    ),
)

positions = Table(
    "positions",
    metadata,
    Column("consumer", AnyText, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("sequence", sa.BigInteger, nullable=False),
)

routes = Table(
    "routes",
    metadata,
    Column("route_id", AnyText, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("urls_sealed", AnyText, nullable=False),
    Column("contacts", Json(tuple[str, ...]), nullable=False, server_default="[]"),
    Column("rota", AnyText),
    Column("backup", Boolean, nullable=False),
    Column("sites", Json(tuple[str, ...]), nullable=False),
    Column("severities", Json(tuple[Severity, ...]), nullable=False),
    Column("hours", AnyText),
    Column("quiet", AnyText),
    Column("escalate_after_s", sa.BigInteger),
    Column("escalate_p1_after_s", sa.BigInteger),
    Column("repeat_every_s", sa.BigInteger),
)

contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", AnyText, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("name_sealed", AnyText, nullable=False),
    Column("urls_sealed", AnyText, nullable=False),
)

rotas = Table(
    "rotas",
    metadata,
    Column("rota_id", AnyText, primary_key=True),
    Column("number", Integer, nullable=False),
    Column("rota", Json(Rota), nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("delivery_id", AnyText, primary_key=True),
    Column("ticket_id", AnyText, nullable=False, index=True),
    Column("route_id", AnyText, nullable=False),
    Column("contact", AnyText, nullable=False),
    Column("number", Integer, nullable=False, server_default="0"),
    Column("way", AnyText, nullable=False),
    Column("event", AnyText, nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("ok", Boolean, nullable=False),
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("tickets", Integer, nullable=False, server_default="1"),
    Column("detail", AnyText, nullable=False),
)

detector_states = Table(
    "detector_states",
    metadata,
    Column("station_id", AnyText, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)

detector_models = Table(
    "detector_models",
    metadata,
    Column("name", AnyText, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("data", LargeBinary, nullable=False),
    Column("info", Json(dict[str, Any]), nullable=False),
    Column("created_at", UtcTime, nullable=False),
)

detector_rows = Table(
    "detector_rows",
    metadata,
    Column("number", _RowNumber, primary_key=True),
    Column("name", AnyText, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Index(None, "name", "number"),
    Index(None, "until"),
)
