"""Entries: what goes into the log comes out of it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.entries import Entry, EntryKind, decode_batch, encode_entry, join_entries
from laddvakt.domain.facts import LinkUp, Measured, Quarantined, QuarantineReason
from laddvakt.domain.readings import Reading

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


def _record(*entries: Entry) -> bytes:
    return join_entries([encode_entry(entry) for entry in entries])


@given(
    st.lists(st.tuples(st.text(max_size=20), st.text(max_size=50), st.none() | st.text(max_size=20)), max_size=5)
)
def test_a_batch_comes_back_as_it_was(rows: list[tuple[str, str, str | None]]) -> None:
    entries = [
        Entry(station_id=station, kind=EntryKind.OCPP_IN, received_at=NOON, raw=raw, reply=reply)
        for station, raw, reply in rows
    ]
    assert decode_batch(_record(*entries)) == tuple(entries)


def test_a_batch_with_text_that_is_no_text_is_damaged() -> None:
    record = _record(Entry(station_id="SE-1", kind=EntryKind.OCPP_IN, received_at=NOON))
    with pytest.raises(msgspec.DecodeError, match="not UTF-8"):
        decode_batch(record.replace(b"SE-1", b"SE\xff1"))


def test_facts_keep_their_kind() -> None:
    facts = (
        LinkUp(at=NOON, protocol="ocpp1.6"),
        Measured(at=NOON, connector_id=1, readings=(Reading(at=NOON, field="power_w", value=1.5),)),
        Quarantined(at=NOON, reason=QuarantineReason.UNKNOWN_ACTION, detail="x"),
    )
    entry = Entry(station_id="SE-1", kind=EntryKind.OCPP_IN, received_at=NOON, facts=facts)
    assert decode_batch(_record(entry))[0].facts == facts


@given(st.binary(max_size=60))
def test_a_damaged_batch_is_a_decode_error_and_nothing_else(data: bytes) -> None:
    try:
        decode_batch(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return


def test_a_cut_batch_is_refused() -> None:
    data = _record(Entry(station_id="SE-1", kind=EntryKind.CONNECTED, received_at=NOON))
    with pytest.raises(msgspec.DecodeError):
        decode_batch(data[:-1])
