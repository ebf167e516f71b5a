"""Taking log entries into a station's view, in place. Pure; reads no clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec.structs import replace

from detector.sampling import Samples, connector_of, take_event, take_values
from detector.view import (
    MAX_NAME,
    MAX_TEXT,
    ConnectorView,
    SessionEnded,
    SessionView,
    Shown,
    StationView,
)
from detector.vocabulary import implied
from laddvakt.domain.attempts import BY_ITSELF
from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.entries import Entry, EntryKind
from laddvakt.domain.facts import (
    Booted,
    ChargingLimitReported,
    CommandAnswered,
    CommandSent,
    EventReported,
    FirmwareReported,
    LinkDown,
    LinkUp,
    Measured,
    NonConforming,
    Quarantined,
    QuarantineReason,
    RemoteStartAsked,
    StatusReported,
    TokenPresented,
    TransactionReported,
    TransactionStarted,
    TransactionStopped,
)
from laddvakt.domain.identification import normal_form
from laddvakt.domain.stations import ConnectorState

_MAX_PROBLEMS = 8
_PAUSES = {ConnectorState.SUSPENDED_EV: "EV", ConnectorState.SUSPENDED_EVSE: "EVSE"}
_WITH_ENERGY = {ConnectorState.CHARGING, ConnectorState.SUSPENDED_EV, ConnectorState.SUSPENDED_EVSE}

_BREACHES = frozenset(
    {
        QuarantineReason.MALFORMED_FRAME,
        QuarantineReason.UNKNOWN_ACTION,
        QuarantineReason.INVALID_PAYLOAD,
        QuarantineReason.UNREADABLE_VALUE,
    }
)

_MAX_ERRORS = 8
_GOOD_WH = 100.0
_TRIED_S = 120.0  # less may be a driver's change of mind
_ANSWERED_WITHIN = timedelta(minutes=5)

Pseudonymise = Callable[[str], str]


class Folded(NamedTuple):
    """What an entry brought that rules are given: sessions that ended, samples by connector."""

    ended: list[SessionEnded]
    samples: Samples


def fold(view: StationView, entry: Entry, pseudonymise: Pseudonymise) -> Folded:
    """Take `entry` into `view`; what is new in it."""
    if entry.kind in (EntryKind.OCPP_IN, EntryKind.CONNECTED):
        _alive(view, entry.received_at)
        _counted(view, entry)
    ended: list[SessionEnded] = []
    samples: Samples = {}
    for fact in entry.facts:
        match fact:
            case Measured():
                _measured(view, fact, entry.received_at)
                take_values(view, fact, entry.received_at, samples)
            case StatusReported():
                view.clock.note(fact.at, entry.received_at)
                ended += _status(view, fact, entry.received_at)
            case TransactionReported() | TransactionStarted() | TransactionStopped():
                ended += _transaction(view, fact, entry.received_at, pseudonymise)
            case TokenPresented() | RemoteStartAsked():
                _token(view, fact, entry.received_at, pseudonymise)
            case EventReported():
                view.clock.note(fact.at, entry.received_at)
                _event(view, fact, entry.received_at)
                take_event(view, fact, entry.received_at, samples)
            case LinkUp() | LinkDown():
                _link(view, fact, entry.received_at)
            case Booted():
                _booted(view, fact, entry)
            case FirmwareReported():
                view.firmware_status, view.firmware_status_at = fact.status[:MAX_TEXT], entry.received_at
            case CommandSent() | CommandAnswered() | ChargingLimitReported():
                _told(view, fact)
            case _:
                pass  # says nothing about health
    return Folded(ended, samples)


def _transaction(
    view: StationView,
    fact: TransactionReported | TransactionStarted | TransactionStopped,
    heard_at: datetime,
    pseudonymise: Pseudonymise,
) -> list[SessionEnded]:
    match fact:
        case TransactionReported():
            return _reported(view, fact, heard_at, pseudonymise)
        case TransactionStarted():
            return _started(view, fact, heard_at, pseudonymise)
        case TransactionStopped():
            return _stopped(view, fact, heard_at)


def _token(
    view: StationView, fact: TokenPresented | RemoteStartAsked, heard_at: datetime, pseudonymise: Pseudonymise
) -> None:
    """Who asked to charge last, at the station and from afar."""
    match fact:
        case TokenPresented():
            vehicle = pseudonymise(normal_form(fact.id_tag, fact.token_kind))
            view.shown = Shown(heard_at, vehicle, fact.accepted)
        case RemoteStartAsked():
            vehicle = pseudonymise(normal_form(fact.id_tag, None))
            view.asked = Shown(heard_at, vehicle, connector_id=fact.connector_id)


def _told(view: StationView, fact: CommandSent | CommandAnswered | ChargingLimitReported) -> None:
    """What limits the station: profiles that it was sent and took, and somebody outside."""
    match fact:
        case CommandSent():
            view.profiles.sent(fact.command_id, fact.action, fact.request)
        case CommandAnswered():
            accepted = fact.status is CommandStatus.ACCEPTED
            view.profiles.answered(fact.command_id, fact.at, accepted=accepted)
        case ChargingLimitReported():
            view.profiles.limited_outside(fact.connector_id, cleared=fact.cleared)


def _alive(view: StationView, heard_at: datetime) -> None:
    if not view.connected:
        view.connected, view.link_since = True, heard_at
    if view.last_frame is None or heard_at > view.last_frame:
        view.last_frame = heard_at


def _counted(view: StationView, entry: Entry) -> None:
    """Frames, and those that break the specification; what only Laddvakt cannot read does not."""
    view.frames += 1
    for fact in entry.facts:
        if isinstance(fact, NonConforming) or (isinstance(fact, Quarantined) and fact.reason in _BREACHES):
            view.odd_frames += 1
            return


def _measured(view: StationView, fact: Measured, heard_at: datetime) -> None:
    """A device's values say nothing of the station's clock."""
    if fact.source == "ocpp":
        view.clock.note(fact.at, heard_at)


def _link(view: StationView, fact: LinkUp | LinkDown, heard_at: datetime) -> None:
    if isinstance(fact, LinkUp):
        _link_up(view, fact, heard_at)
    else:
        _link_down(view, fact, heard_at)


def _link_up(view: StationView, fact: LinkUp, heard_at: datetime) -> None:
    """StatusNotifications are not queued offline (OCPP 1.6 section 4.9): after a gap the status is unknown, and is
    told again. In OCPP 2.x the station as a whole has none, and nobody would ever tell it."""
    view.connected, view.link_since, view.link = True, heard_at, fact.at
    for connector in view.connectors.values():
        connector.stale = connector.connector_id != 0 or connector.status is not ConnectorState.UNKNOWN


def _link_down(view: StationView, fact: LinkDown, heard_at: datetime) -> None:
    """The end of an old link changes nothing: it took longer than the station's next one to come up."""
    if fact.since is None or view.link is None or fact.since == view.link:
        view.connected, view.link_since = False, heard_at


def _booted(view: StationView, fact: Booted, entry: Entry) -> None:
    view.vendor, view.model = fact.vendor[:MAX_TEXT], fact.model[:MAX_TEXT]
    view.firmware = (fact.firmware or "")[:MAX_TEXT]
    view.booted_at = entry.received_at
    view.boots += 1
    view.heartbeat_s = told_interval(entry.reply) or view.heartbeat_s
    for connector in view.connectors.values():
        connector.problems = {}  # what still is wrong is said again


def told_interval(reply: str | None) -> float | None:
    """The heartbeat interval that a BootNotification reply told (OCPP 1.6 section 6.4, OCPP-J section 4.2.2)."""
    if not reply:
        return None
    try:
        interval = json.loads(reply)[2]["interval"]
    except (ValueError, LookupError, TypeError):
        return None  # not a CALLRESULT with an interval; the default applies
    return float(interval) if isinstance(interval, int | float) and interval > 0 else None


def _status(view: StationView, fact: StatusReported, heard_at: datetime) -> list[SessionEnded]:
    connector = view.connector(fact.connector_id)
    if connector is None:
        return []
    outdated = connector.status_at is not None and fact.at < connector.status_at
    if outdated and view.clock.late(fact.at, heard_at):
        return []
    if fact.reported == "Occupied" and connector.session is not None and connector.status in _WITH_ENERGY:
        fact = replace(fact, status=connector.status)  # OCPP 2.x says no more; the transaction has said it
    if fact.status is not connector.status or connector.status_since is None:
        connector.status_since, connector.status_before = fact.at, connector.status
        _charging(connector, fact.status, fact.at)
    connector.status, connector.status_at, connector.status_heard = fact.status, fact.at, heard_at
    connector.stale = False
    connector.error_code = fact.error_code[:MAX_TEXT]
    connector.info = (fact.info or "")[:MAX_TEXT]
    connector.vendor_error_code = (fact.vendor_error_code or "")[:MAX_TEXT]
    connector.mrec = fact.mrec[:8]
    if connector.session is not None and connector.error_code not in ("NoError", ""):
        vague = connector.error_code == "OtherError" and connector.mrec
        _erred(connector.session, connector.mrec[0] if vague else connector.error_code)
    if fact.status is ConnectorState.AVAILABLE and connector.session is not None:
        return _end(view, connector, fact.at, heard_at, None)
    return []


def _charging(connector: ConnectorView, status: ConnectorState, at: datetime) -> None:
    """How long the session charged, and who paused it."""
    session = connector.session
    if session is None:
        return
    if session.charging_since is not None:
        session.charging_s += max((at - session.charging_since).total_seconds(), 0.0)
    session.charging_since = at if status is ConnectorState.CHARGING else None
    if status in _PAUSES:
        session.suspended_by = _PAUSES[status]


def _erred(session: SessionView, code: str) -> None:
    if code not in session.errors and len(session.errors) < _MAX_ERRORS:
        session.errors = (*session.errors, code)


def _event(view: StationView, fact: EventReported, heard_at: datetime) -> None:
    """ChargeX codes of an event, and `Problem`, stand until the event is cleared (OCPP 2.0.1 part 2 N07)."""
    connector = view.connector(fact.connector_id)
    if connector is None or view.clock.late(fact.at, heard_at):
        return
    name = f"{fact.component}/{fact.variable}"[:MAX_NAME]
    said = fact.value.strip().lower()
    gone = fact.cleared or said == "false"
    codes = fact.mrec or implied(fact.component, fact.variable)
    if not gone and not fact.mrec and said != "true":
        return  # a value, not a fault
    if not gone and not codes and fact.variable != "Problem":
        return
    problems = {key: found for key, found in connector.problems.items() if key != name}
    connector.problems = problems if gone else {**problems, name: codes[:8]}
    if connector.session is not None and not gone:
        _erred(connector.session, (codes or ("OtherError",))[0])
    while len(connector.problems) > _MAX_PROBLEMS:
        del connector.problems[next(iter(connector.problems))]
    if connector.connector_id == 0:  # the whole station, which has no status of its own in OCPP 2.x
        connector.status_since = connector.status_since or fact.at
        connector.status_at, connector.status_heard, connector.stale = fact.at, heard_at, False


def _reported(
    view: StationView, fact: TransactionReported, heard_at: datetime, pseudonymise: Pseudonymise
) -> list[SessionEnded]:
    """The charging state that an OCPP 2.x transaction says; its connector may only be known from the start. A
    transaction that began with the plug learns its token later."""
    connector = connector_of(view, fact.connector_id, fact.transaction_id)
    session = connector.session if connector is not None else None
    if session is not None and session.vehicle is None and fact.id_tag and fact.event != "Ended":
        session.vehicle = pseudonymise(normal_form(fact.id_tag, fact.token_kind))
        session.token_kind, session.refused = fact.token_kind or "", fact.refused is not None
    if connector is None or not connector.connector_id or fact.charging_state is None or fact.event == "Ended":
        return []
    view.clock.note(fact.at, heard_at)
    if fact.offline:
        return []  # of the time without a link
    status = StatusReported(at=fact.at, connector_id=connector.connector_id, status=fact.charging_state)
    return _status(view, status, heard_at)


def _started(
    view: StationView, fact: TransactionStarted, heard_at: datetime, pseudonymise: Pseudonymise
) -> list[SessionEnded]:
    connector = view.connector(fact.connector_id)
    if connector is None or fact.transaction_id in connector.last_transactions:
        return []
    current = connector.session
    if current is not None and (current.transaction_id == fact.transaction_id or fact.at < current.started_at):
        return []
    if current is not None and fact.refused is not None:
        return []  # a start that was refused ends no live session
    ended = [] if current is None else _end(view, connector, fact.at, heard_at, None)
    vehicle = pseudonymise(normal_form(fact.id_tag, fact.token_kind)) if fact.id_tag else None
    connector.session = SessionView(
        transaction_id=fact.transaction_id[:MAX_TEXT],
        vehicle=vehicle,
        started_at=fact.at,
        heard_at=heard_at,
        meter_start_wh=fact.meter_start_wh,
        boots=view.boots,
        refused=fact.refused is not None,
        token_kind=fact.token_kind or "",
        remote=_remote(view, connector.connector_id, vehicle, heard_at),
        charging_since=fact.at if connector.status is ConnectorState.CHARGING else None,
    )
    connector.power = connector.register = None
    return ended


def _remote(view: StationView, connector_id: int, vehicle: str | None, heard_at: datetime) -> bool:
    """Whether a command asked for this start a moment ago."""
    asked = view.asked
    if asked is None or vehicle != asked.vehicle or asked.connector_id not in (0, connector_id):
        return False
    return heard_at - asked.at <= _ANSWERED_WITHIN


def _stopped(view: StationView, fact: TransactionStopped, heard_at: datetime) -> list[SessionEnded]:
    for connector in view.connectors.values():
        if connector.session is not None and connector.session.transaction_id == fact.transaction_id:
            return _end(view, connector, fact.at, heard_at, fact.meter_stop_wh, fact.reason)
    return []


def _nothing_flowed(session: SessionView) -> bool:
    """Whether nothing flowed, though no limit held."""
    return session.first_flow_at is None and not session.limited


def _end(
    view: StationView,
    connector: ConnectorView,
    at: datetime,
    heard_at: datetime,
    meter_stop_wh: int | None,
    stop_reason: str = "",
) -> list[SessionEnded]:
    session = connector.session
    if session is None:
        return []
    energy_wh = session.energy_wh
    if meter_stop_wh is not None and session.meter_start_wh is not None:
        energy_wh = max(energy_wh, float(meter_stop_wh - session.meter_start_wh))
    charging_s = session.charging_s
    if session.charging_since is not None:
        charging_s += max((at - session.charging_since).total_seconds(), 0.0)
    connector.session = None
    connector.last_vehicle, connector.last_ended_at = session.vehicle_key, at
    connector.left_at = at if view.clock.late(at, heard_at) else heard_at
    if energy_wh >= _GOOD_WH:
        connector.good_at = at
    elif session.errors or (_nothing_flowed(session) and (charging_s >= _TRIED_S or stop_reason in BY_ITSELF)):
        connector.bad_at = at
    connector.last_transactions = [*connector.last_transactions[-3:], session.transaction_id]
    return [
        SessionEnded(
            station_id=view.station_id,
            connector_id=connector.connector_id,
            transaction_id=session.transaction_id,
            vehicle=session.vehicle_key,
            started_at=session.started_at,
            ended_at=max(at, session.started_at),
            energy_wh=energy_wh,
            heard_at=heard_at,
            stop_reason=stop_reason,
            refused=session.refused,
            late=view.clock.late(at, heard_at) or view.clock.late(session.started_at, session.heard_at),
            first_flow_at=session.first_flow_at,
            power_max_w=session.power_max_w,
            current_max_a=session.current_max_a,
            soc_first_pct=session.soc_first_pct,
            soc_last_pct=session.soc_last_pct,
            charging_s=charging_s,
            suspended_by=session.suspended_by,
            limited=session.limited,
            errors=session.errors,
            token_kind=session.token_kind,
            remote=session.remote,
        )
    ]
