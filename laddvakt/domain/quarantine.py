"""Messages that were set aside: their states, and reading one again. Requests travel between processes."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from laddvakt.domain.entries import EntryKind
from laddvakt.domain.facts import QuarantineReason


class QuarantineState(StrEnum):
    """Where a message that was set aside stands."""

    OPEN = "open"  # waits for a fix, or for somebody
    REPROCESSED = "reprocessed"  # read again, and it took effect
    DISMISSED = "dismissed"  # somebody said that nothing is to be done


class ReprocessRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A message to be read again as if it came now for the first time, but at its own time. `by` asks, at `at`."""

    item_id: str
    station_id: str
    kind: EntryKind
    reason: QuarantineReason
    raw: str
    received_at: datetime
    by: str
    at: datetime
    protocol: str | None = None
    topic: str | None = None


class ReprocessReply(msgspec.Struct, frozen=True, kw_only=True):
    """It has been read, and is in the event log. `error` says why it is not."""

    item_id: str
    error: str = ""
