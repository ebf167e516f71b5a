"""What happens to findings: raised, standing on, cleared. Pure; works on a station's slots in place."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

import msgspec

from detector.rules.base import Verdict
from detector.state import Slot, StationState
from detector.view import SessionEnded
from laddvakt.domain.tickets import Finding


class ChangeKind(StrEnum):
    """What happened to a finding, or what else the ticket desk wants to know."""

    RAISED = "raised"  # it stands now
    STILL = "still"  # it stands on, with fresh evidence
    CLEARED = "cleared"  # it stands no more
    SESSION = "session"  # a session ended


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change. `finding` is given for all kinds but `session`; `reason` is the rule's own."""

    kind: ChangeKind
    at: datetime
    station_id: str
    finding: Finding | None = None
    reason: str = ""
    session: SessionEnded | None = None


def finding_key(finding: Finding) -> tuple[str, str, str]:
    """One ticket per fault and asset."""
    return finding.fault, finding.asset.kind, finding.asset.id


def told(kind: ChangeKind, at: datetime, finding: Finding, reason: str) -> Change:
    return Change(kind=kind, at=at, station_id=finding.station_id, finding=finding, reason=reason)


def not_met(
    state: StationState, slot: Slot, verdict: Verdict, at: datetime, changes: list[Change]
) -> datetime | None:
    slot.pending_since = None
    slot.clearing_since = slot.clearing_since or at
    clear_at = slot.clearing_since + timedelta(seconds=verdict.clear_after_s)
    if at < clear_at:
        return clear_at
    before, slot.raised = slot.raised, None
    if before is None:
        return None
    slot.clearing_since, slot.described_at, slot.variant = None, None, ""
    clear(state, before, slot.reason, at, changes)
    return None


def clear(state: StationState, finding: Finding, reason: str, at: datetime, changes: list[Change]) -> None:
    """Cleared, unless another connector's finding holds the same fault of the same asset up."""
    other = next((f for f in state.standing() if finding_key(f) == finding_key(finding)), None)
    if other is not None:
        changes.append(told(ChangeKind.STILL, at, other, reason))
        return
    changes.append(told(ChangeKind.CLEARED, at, finding, reason))


def lasting(changes: Iterable[Change]) -> list[Change]:
    """Of one moment, without what came and went in it: one message may prove a fault and, a rule later, what
    explains it, and nobody is told the name that it had in between."""
    kept: list[Change] = []
    for change in changes:
        if change.kind is ChangeKind.CLEARED and change.finding is not None:
            key, station = finding_key(change.finding), change.station_id
            came = next((one for one in kept if _raised(one) == (key, station)), None)
            if came is not None:
                kept.remove(came)
                continue
        kept.append(change)
    return kept


def _raised(change: Change) -> tuple[tuple[str, str, str], str] | None:
    if change.kind is not ChangeKind.RAISED or change.finding is None:
        return None
    return finding_key(change.finding), change.station_id
