"""Stretches of time add up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from laddvakt.kpi.spans import Span, common, merged, seconds, without

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
_MINUTES = st.integers(0, 200)
_SPANS = st.lists(
    st.tuples(_MINUTES, _MINUTES).map(lambda p: (NOON + timedelta(minutes=p[0]), NOON + timedelta(minutes=p[1]))),
    max_size=12,
)


def _minutes(spans: list[Span]) -> set[int]:
    """Every minute that is in a span: what the arithmetic is held against."""
    found: set[int] = set()
    for start, end in spans:
        found |= set(range(int((start - NOON).total_seconds()) // 60, int((end - NOON).total_seconds()) // 60))
    return found


@given(_SPANS)
def test_merged_is_the_same_time_without_overlap(spans: list[Span]) -> None:
    found = merged(spans)
    assert _minutes(found) == _minutes(spans)
    assert all(a[1] < b[0] for a, b in pairwise(found))
    assert seconds(spans) == 60 * len(_minutes(spans))


@given(_SPANS, _SPANS)
def test_common_and_without_part_the_time(some: list[Span], others: list[Span]) -> None:
    assert _minutes(common(some, others)) == _minutes(some) & _minutes(others)
    assert _minutes(without(some, others)) == _minutes(some) - _minutes(others)
    assert seconds(common(some, others)) + seconds(without(some, others)) == seconds(some)
