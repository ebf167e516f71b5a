"""Entries of the event log: what was said, both clocks, our reply, and the facts read out of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from laddvakt.domain.facts import Fact


class EntryKind(StrEnum):
    """What an entry records."""

    CONNECTED = "connected"  # a station's socket opened
    DISCONNECTED = "disconnected"  # a station's socket closed
    OCPP_IN = "ocpp_in"  # a frame from a station
    OCPP_OUT = "ocpp_out"  # a call of ours to a station; without a text: that nobody answered one
    MQTT = "mqtt"  # a message from a device
    GAP = "gap"  # messages that were not observed


class Reprocessing(msgspec.Struct, frozen=True, kw_only=True):
    """That an entry reads a message again which was set aside: as which item, who asked for it, and when."""

    item_id: str
    by: str
    at: datetime


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One thing that was said. `received_at` is our clock (UTC); the station's own is in the facts.

    `raw` is the text as received, or as sent, without secrets in commands (bytes that are not UTF-8 are kept with
    backslash escapes, those of an MQTT message as `base64:...`). `reply` is the text that was sent back once
    this entry was durable.
    """

    station_id: str
    kind: EntryKind
    received_at: datetime
    raw: str = ""
    reply: str | None = None
    protocol: str | None = None
    topic: str | None = None  # MQTT
    facts: tuple[Fact, ...] = ()
    reprocessing: Reprocessing | None = None


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(tuple[Entry, ...])


def encode_entry(entry: Entry) -> bytes:
    """One entry (MessagePack). Raises ValueError or OverflowError for what it cannot carry."""
    return _encoder.encode(entry)


def join_entries(encoded: list[bytes]) -> bytes:
    """Encoded entries of one partition, in order, as one log record."""
    return _encoder.encode([msgspec.Raw(data) for data in encoded])


def decode_batch(data: bytes) -> tuple[Entry, ...]:
    """The entries of a log record. Raises msgspec.DecodeError for a damaged one."""
    try:
        return _decoder.decode(data)
    except UnicodeDecodeError as error:  # msgspec lets it through
        raise msgspec.DecodeError(f"text that is not UTF-8: {error}") from error
