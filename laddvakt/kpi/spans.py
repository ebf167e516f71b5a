"""Stretches of time: unions, differences, lengths. A span is (from inclusive, to exclusive)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

Span = tuple[datetime, datetime]


def merged(spans: Iterable[Span]) -> list[Span]:
    """The same time as spans that neither touch nor overlap, in order; empty ones are dropped."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def common(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The time that is in both."""
    found: list[Span] = []
    left, right = merged(some), merged(others)
    i = j = 0
    while i < len(left) and j < len(right):
        start, end = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if start < end:
            found.append((start, end))
        if left[i][1] <= right[j][1]:
            i += 1
        else:
            j += 1
    return found


def without(some: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """The time of `some` that is not in `others`."""
    found: list[Span] = []
    gone = merged(others)
    for start, end in merged(some):
        at = start
        for cut_start, cut_end in gone:
            if cut_end <= at or cut_start >= end:
                continue
            if cut_start > at:
                found.append((at, cut_start))
            at = max(at, cut_end)
        if at < end:
            found.append((at, end))
    return found


def seconds(spans: Iterable[Span]) -> float:
    """How long they are together; overlaps count once."""
    return sum((end - start).total_seconds() for start, end in merged(spans))
