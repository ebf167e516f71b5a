"""Follows attempts to charge at one connector, from plug-in to energy or to the driver's leaving. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from detector.episodes import codes_of
from detector.view import LATE, ConnectorView, SessionEnded, StationView
from laddvakt.domain.attempts import ChargeAttempt, Outcome, outcome_of_session
from laddvakt.domain.stations import ConnectorState

_BEFORE_PLUG = timedelta(minutes=3)
"""A card may be shown, or a start asked for, so long before the plug is in."""
_MAX_ERRORS = 4
_CHARGED = frozenset({ConnectorState.CHARGING, ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE})
"""OCPP 2.x says Occupied before a session and after: after one of these, nobody has plugged in anew."""


class Open(msgspec.Struct, frozen=True, omit_defaults=True, array_like=True):
    """A vehicle is plugged in and no session has come of it yet."""

    since: datetime
    driver: str = ""
    accepted_at: datetime | None = None
    refused: bool = False
    errors: tuple[str, ...] = ()


def of_session(session: SessionEnded) -> ChargeAttempt | None:
    """The attempt that a session was; None where it ran unobserved, so that nothing flowing proves nothing."""
    outcome = outcome_of_session(
        energy_wh=session.energy_wh,
        duration_s=session.duration_s,
        flowed=session.first_flow_at is not None,
        errors=session.errors,
        refused=session.refused,
        stop_reason=session.stop_reason,
        suspended_by=session.suspended_by,
        limited=session.limited,
        soc_pct=session.soc_last_pct,
    )
    if session.late and outcome is not Outcome.CHARGED:
        return None
    anonymous = session.vehicle == f"transaction {session.transaction_id}"
    return ChargeAttempt(
        station_id=session.station_id,
        connector_id=session.connector_id,
        driver="" if anonymous else session.vehicle,
        started_at=session.started_at,
        ended_at=session.ended_at,
        outcome=outcome,
        errors=session.errors,
    )


def follow(
    opened: Open | None,
    view: StationView,
    connector: ConnectorView,
    ended: tuple[SessionEnded, ...],
    *,
    start_within_s: float,
    now: datetime,
) -> tuple[Open | None, tuple[ChargeAttempt, ...]]:
    """The attempt that runs before any session, and those that are over. To be asked whenever the connector's
    status, session or errors changed or a token was shown. `start_within_s`: how long a start may take."""
    attempts = tuple(attempt for session in ended if (attempt := of_session(session)) is not None)
    if ended or connector.session is not None:
        return None, attempts
    if connector.stale or connector.status_since is None:
        return None, attempts
    if plugged_in(connector):
        opened = _authorised(opened or Open(_since(connector, now)), view, connector, now)
        return _with_errors(opened, view, connector), attempts
    if opened is None:
        return None, attempts
    opened = _with_errors(opened, view, connector)
    failed = _over(opened, view.station_id, connector, start_within_s, now)
    return None, attempts if failed is None else (*attempts, failed)


def plugged_in(connector: ConnectorView) -> bool:
    """Whether somebody has plugged in, and has not charged yet."""
    return connector.status is ConnectorState.PREPARING and connector.status_before not in _CHARGED


def _since(connector: ConnectorView, now: datetime) -> datetime:
    """Since when its status holds, by our clock where the station's is wrong: tokens are dated by ours."""
    since, heard = connector.status_since, connector.status_heard
    if since is None or heard is None:
        return now
    return since if abs(heard - since) <= LATE else heard


def _authorised(opened: Open, view: StationView, connector: ConnectorView, now: datetime) -> Open:
    """A token counts where no other connector waits for one: Authorize does not say which it is for. It counts
    when it is shown: later, whom it started may have been followed by others, and it would look unused."""
    if opened.accepted_at is not None and used(view, opened.driver, opened.accepted_at):
        opened = Open(opened.since, errors=opened.errors)  # it was for another connector
    for shown in (view.shown, view.asked):
        if shown is None or shown.at < max(opened.since, now) - _BEFORE_PLUG:
            continue
        if used(view, shown.vehicle, shown.at) or shown.connector_id not in (0, connector.connector_id):
            continue
        if not shown.connector_id and sum(_waited(one, shown.at) for one in view.connectors.values()) > 1:
            continue
        accepted_at = opened.accepted_at or (shown.at if shown.accepted else None)
        opened = msgspec.structs.replace(
            opened, driver=shown.vehicle, accepted_at=accepted_at, refused=not shown.accepted
        )
    return opened


def _waited(connector: ConnectorView, at: datetime) -> bool:
    """Whether it waited for a token then, or has since: one that found a fault in itself waits no more."""
    if connector.session is not None:
        return False
    if connector.status is ConnectorState.PREPARING:
        return True
    since = connector.status_since
    return connector.status_before is ConnectorState.PREPARING and since is not None and since >= at


def used(view: StationView, vehicle: str, at: datetime) -> bool:
    """Whether a token has begun or ended a session of the station since it was shown."""
    for connector in view.connectors.values():
        session, left_at = connector.session, connector.left_at
        if session is not None and session.vehicle == vehicle and session.heard_at >= at:
            return True
        if left_at is not None and connector.last_vehicle == vehicle and left_at >= at:
            return True
    return False


def _with_errors(opened: Open, view: StationView, connector: ConnectorView) -> Open:
    found = tuple(code for code in codes_of(view, connector) if code not in opened.errors)
    return msgspec.structs.replace(opened, errors=(*opened.errors, *found)[:_MAX_ERRORS]) if found else opened


def _over(
    opened: Open, station_id: str, connector: ConnectorView, start_within_s: float, now: datetime
) -> ChargeAttempt | None:
    outcome = _outcome(opened, connector, start_within_s, now)
    if outcome is None:
        return None
    return ChargeAttempt(
        station_id=station_id,
        connector_id=connector.connector_id,
        driver=opened.driver,
        started_at=opened.since,
        ended_at=now,
        outcome=outcome,
        errors=opened.errors,
    )


def _outcome(opened: Open, connector: ConnectorView, start_within_s: float, now: datetime) -> Outcome | None:
    """None: nobody asked to charge, so it was only a parked or a curious car."""
    if opened.errors or connector.status is ConnectorState.FAULTED:
        return Outcome.ERROR
    if opened.accepted_at is None:
        return Outcome.REFUSED if opened.refused else None
    waited_s = (now - max(opened.accepted_at, opened.since)).total_seconds()
    return Outcome.NO_START if waited_s >= start_within_s else Outcome.GAVE_UP
