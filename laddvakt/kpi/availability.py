"""How much of the time a port could be used, by what it reported and by what was found to be wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from laddvakt.domain.history import Transition
from laddvakt.domain.stations import ConnectorState
from laddvakt.kpi.spans import Span, common, merged, seconds, without


class Cause(StrEnum):
    """Why a port could not be used."""

    FAULTED = "faulted"  # it reported a fault (OCPI OUTOFORDER)
    UNAVAILABLE = "unavailable"  # taken out of service (OCPI INOPERATIVE)
    OFFLINE = "offline"  # no link: nobody knows (OCPI UNKNOWN)
    TICKET = "ticket"  # it said nothing of the kind, but an urgent ticket (P1, P2) says that it was down


_CAUSE = {ConnectorState.FAULTED: Cause.FAULTED, ConnectorState.UNAVAILABLE: Cause.UNAVAILABLE}


class Availability(msgspec.Struct, frozen=True, kw_only=True):
    """Of one port in one period, in seconds. `observed_s`: since the port was first heard of, in open hours.
    `down_s`: outage in that time, by cause; causes may overlap, `outage_s` counts each moment once. `excluded_s`:
    the part of the outage that somebody excluded, with a reason."""

    observed_s: float = 0.0
    outage_s: float = 0.0
    excluded_s: float = 0.0
    offline_s: float = 0.0  # of the outage, not excluded, and explained by nothing but the lost link
    down_s: dict[Cause, float] = {}

    @property
    def up_s(self) -> float:
        """NEVI: what is observed less outage that is not excluded."""
        return self.observed_s - (self.outage_s - self.excluded_s)


def down_spans(transitions: Iterable[Transition], until: datetime) -> dict[Cause, list[Span]]:
    """When one port was down, from its changes in order of time; the last one lasts until `until`. What it said
    last holds through a gap of its link, until it says otherwise."""
    found: dict[Cause, list[Span]] = {cause: [] for cause in Cause}
    status = ConnectorState.UNKNOWN
    changes = list(transitions)
    for change, following in zip(changes, [*changes[1:], None], strict=True):
        end = following.at if following is not None else until
        status = change.status if change.status is not ConnectorState.UNKNOWN else status
        if not change.connected:
            found[Cause.OFFLINE].append((change.at, end))
        if status in _CAUSE:
            found[_CAUSE[status]].append((change.at, end))
    return found


def standing(transitions: Sequence[Transition]) -> Transition | None:
    """The last change, with the status that holds through a gap of the link: all that the time after it needs to
    know of the time before."""
    known = next((t.status for t in reversed(transitions) if t.status is not ConnectorState.UNKNOWN), None)
    last = transitions[-1] if transitions else None
    return last if last is None or known is None else msgspec.structs.replace(last, status=known)


def availability(
    transitions: Sequence[Transition],
    *,
    period: Span,
    tickets: Iterable[Span] = (),
    excluded: Iterable[Span] = (),
    open_hours: Iterable[Span] | None = None,
) -> Availability:
    """One port's availability. `transitions` are its own, in order, with the last one before the period.
    `tickets`: when urgent tickets said that it was down. `open_hours` None: always open."""
    if not transitions:
        return Availability()
    start, end = max(period[0], transitions[0].at), period[1]
    if start >= end:
        return Availability()
    window = [(start, end)] if open_hours is None else common([(start, end)], open_hours)
    causes = down_spans(transitions, end)
    causes[Cause.TICKET] = list(tickets)
    if not any(causes.values()):
        return Availability(observed_s=seconds(window))
    down = {cause: common(spans, window) for cause, spans in causes.items()}
    outage = merged(span for spans in down.values() for span in spans)
    counted = without(outage, excluded)
    known = [span for cause, spans in down.items() if cause is not Cause.OFFLINE for span in spans]
    return Availability(
        observed_s=seconds(window),
        outage_s=seconds(outage),
        excluded_s=seconds(outage) - seconds(counted),
        offline_s=seconds(without(counted, known)),
        down_s={cause: seconds(spans) for cause, spans in down.items() if spans},
    )
