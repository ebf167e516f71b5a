"""Identifiers that are derived, so that any process, also after a crash, arrives at the same one."""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime

from laddvakt.domain.times import rfc3339


def _digest(*parts: object, size: int) -> bytes:
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=size).digest()


def transaction_id(station_id: str, connector_id: int, id_tag: str, started: str, meter_start_wh: int) -> int:
    """The OCPP 1.6 transactionId for a StartTransaction: positive, never 0, the same for every retry of the
    same start (`started` is the station's timestamp as sent)."""
    number = int.from_bytes(_digest(station_id, connector_id, id_tag, started, meter_start_wh, size=4), "big")
    return (number & 0x7FFFFFFF) or 1


def session_id(station_id: str, transaction: str, started_at: datetime) -> str:
    """`S-` and 16 characters; unique from start to invoice. `started_at` keeps sessions apart when a
    station's former central system reuses transaction ids."""
    raw = _digest("session", station_id, transaction, rfc3339(started_at), size=10)
    return "S-" + base64.b32encode(raw).decode().lower()


def ticket_id(asset_kind: str, asset_id: str, fault: str, opened_at: datetime) -> str:
    """`T-` and 10 characters, short enough to read out over the phone."""
    raw = _digest("ticket", asset_kind, asset_id, fault, rfc3339(opened_at), size=6)
    return "T-" + base64.b32encode(raw).decode().lower().rstrip("=")


def partition_of(station_id: str, partitions: int) -> int:
    """The event-log partition of a station: 0 .. partitions - 1, stable for ever."""
    return int.from_bytes(_digest("partition", station_id, size=4), "big") % partitions
