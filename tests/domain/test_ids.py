"""Identifiers: the same for the same thing in any process, apart for different ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from laddvakt.domain.ids import partition_of, session_id, ticket_id, transaction_id

START = datetime(2026, 11, 21, 12, tzinfo=UTC)


@given(st.text(), st.integers(0, 9), st.text(), st.text(), st.integers())
def test_a_transaction_id_is_positive_and_fits_in_32_bits(
    station: str, connector: int, tag: str, started: str, meter: int
) -> None:
    number = transaction_id(station, connector, tag, started, meter)
    assert 0 < number < 2**31
    assert number == transaction_id(station, connector, tag, started, meter)


def test_ids_are_stable_for_ever() -> None:
    """A change would give a retried start a second session, and move stations to other partitions."""
    assert transaction_id("SE-1", 1, "04A1B2C3", "2026-11-21T12:00:00Z", 1000) == 675_203_777
    assert session_id("SE-1", "1", START) == "S-tlzu3d4zw4bmv44o"
    assert partition_of("SE-1", 4) == 3


def test_starts_that_differ_in_anything_are_different() -> None:
    base = ("SE-1", 1, "04A1B2C3", "2026-11-21T12:00:00Z", 1000)
    others = [("SE-2", *base[1:]), (*base[:4], 1001), (*base[:3], "2026-11-21T12:00:01Z", 1000)]
    assert len({transaction_id(*base), *(transaction_id(*other) for other in others)}) == 4


def test_parts_are_kept_apart() -> None:
    assert session_id("SE-1", "12", START) != session_id("SE-11", "2", START)


def test_a_reused_transaction_id_is_another_session() -> None:
    assert session_id("SE-1", "1", START) != session_id("SE-1", "1", START + timedelta(days=1))


def test_a_ticket_id_can_be_read_out() -> None:
    found = ticket_id("station", "SE-1", "offline", START)
    assert found == ticket_id("station", "SE-1", "offline", START)
    assert len(found) == 12
    assert found.removeprefix("T-").isalnum()


@given(st.text(), st.integers(1, 256))
def test_a_partition_is_one_of_them(station: str, partitions: int) -> None:
    assert 0 <= partition_of(station, partitions) < partitions


def test_partitions_share_the_stations() -> None:
    counts = [0] * 4
    for number in range(4000):
        counts[partition_of(f"SE-{number}", 4)] += 1
    assert min(counts) > 900
