"""The station itself says that something is wrong."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec

from detector.assets import cable_asset, station_asset
from detector.attribution import attribute
from detector.episodes import NOBODY, vehicle_at
from detector.rules.base import (
    Named,
    Rule,
    Scope,
    Standing,
    Subject,
    Threshold,
    Thresholds,
    Verdict,
    Wake,
    place,
)
from detector.view import ConnectorView
from detector.vocabulary import CHECKED_BEFORE, OCPP, SELF_CLOSING, Code, Lean, look_up
from laddvakt.domain.facts import EventReported
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tickets import Evidence, Finding, Severity


class Reason(StrEnum):
    """Why the rule holds what it holds."""

    NOTHING_REPORTED = "nothing_reported"  # no error code, not Faulted
    VEHICLE_ALONE = "vehicle_alone"  # a vehicle's code on a connector that still works
    UNKNOWN_WORD = "unknown_word"  # not a code of the specification, on a connector that still works
    STATUS_UNKNOWN = "status_unknown"  # nothing said yet, or nothing since the link came back
    LINK_DOWN = "link_down"  # the last word may be outdated
    LATE_REPORT = "late_report"  # from the station's queue: history, not news
    DANGER = "danger"  # a safety code: at once
    MAY_CLOSE = "may_close"  # a protection that opened in a session: the vehicle's leak, maybe
    CODE_GONE = "code_gone"  # its event was cleared just now (OCPP 2.x): the status mostly follows
    FINISHING = "finishing"  # the session is over, the cable still in: most such errors clear
    VEHICLE_LIKELY = "vehicle_likely"  # Faulted by a vehicle's code: clears when the vehicle leaves
    REPORTED = "reported"  # Faulted, or an error code


class Memory(msgspec.Struct, frozen=True):
    """Of a protection that is open: whether it opened with a vehicle."""

    with_vehicle: bool = True


def evaluate(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Verdict:
    connector = subject.connector
    clear_after_s = thresholds["clear_after_s"]

    def verdict(standing: Standing, reason: Reason, persist_s: float = 0.0, variant: str = "") -> Verdict:
        return Verdict(
            standing=standing, reason=reason, persist_s=persist_s, clear_after_s=clear_after_s, variant=variant
        )

    if connector is None or connector.status_at is None or connector.stale:
        return verdict(Standing.UNKNOWN, Reason.STATUS_UNKNOWN)
    if not subject.view.connected:
        return verdict(Standing.UNKNOWN, Reason.LINK_DOWN)
    if not subject.view.status_is_news(connector):
        return verdict(Standing.UNKNOWN, Reason.LATE_REPORT)
    faulted = connector.status is ConnectorState.FAULTED
    if not faulted and not _has_code(connector):
        return verdict(Standing.NOT_MET, Reason.NOTHING_REPORTED)
    if not _has_code(connector) and any(isinstance(fact, EventReported) for fact in subject.news.facts):
        at = now + timedelta(seconds=thresholds["persist_s"])
        return msgspec.structs.replace(verdict(Standing.UNKNOWN, Reason.CODE_GONE), check_at=at)
    if not faulted and _means_nothing(connector):
        return verdict(Standing.NOT_MET, Reason.UNKNOWN_WORD)
    name, code = look_up(connector.error, connector.codes)
    variant = f"{name}/{'faulted' if faulted else 'reported'}"
    if code.severity is Severity.P1:
        at_once = verdict(Standing.MET, Reason.DANGER, 0.0, variant)
        leak = memory is not None or _may_leak(connector, code)
        return _may_close(at_once, thresholds) if leak else at_once
    if code.lean is Lean.VEHICLE and not faulted:
        return verdict(Standing.NOT_MET, Reason.VEHICLE_ALONE)
    if code.lean is Lean.VEHICLE:
        return verdict(Standing.MET, Reason.VEHICLE_LIKELY, thresholds["vehicle_persist_s"], variant)
    if connector.status is ConnectorState.FINISHING:
        return verdict(Standing.MET, Reason.FINISHING, thresholds["finishing_persist_s"], variant)
    return verdict(Standing.MET, Reason.REPORTED, thresholds["persist_s"], variant)


def _may_leak(connector: ConnectorView, code: Code) -> bool:
    """Whether a vehicle's own leak may have opened what protects: residual current flows in sessions alone, while
    insulation is checked before they begin."""
    if not SELF_CLOSING.isdisjoint(code.mrec) and connector.session is not None:
        return True
    faulted = connector.status is ConnectorState.FAULTED
    plugged_in = (connector.status_before if faulted else connector.status) is ConnectorState.PREPARING
    return plugged_in and not CHECKED_BEFORE.isdisjoint(code.mrec)


def _may_close(at_once: Verdict, thresholds: Thresholds) -> Verdict:
    """A protection that opens while a vehicle charges has done its work; whose leak it was shows when it does not
    close, or opens for the next vehicle, too (`rcd_trip`, `isolation`). The session is mostly over at the next
    look, so it is remembered. Why: docs/adr/0013-protection-that-closes-again.md."""
    persist_s = thresholds["close_within_s"]
    return msgspec.structs.replace(at_once, reason=Reason.MAY_CLOSE, persist_s=persist_s, memory=Memory())


def _has_code(connector: ConnectorView) -> bool:
    return connector.error not in ("NoError", "") or bool(connector.codes)


def _means_nothing(connector: ConnectorView) -> bool:
    """A word that no specification has, and none more about it: a broken message (`non_conforming`)."""
    said = connector.codes or connector.info or connector.vendor_error_code
    return connector.error not in OCPP and not said


def severity_of(code: Code, status: ConnectorState) -> Severity:
    """A connector that is Faulted is down, whatever the code; one that still works is degraded at most."""
    if code.severity is Severity.P1:
        return Severity.P1
    if status is ConnectorState.FAULTED:
        return Severity.P2
    return max(code.severity, Severity.P3)


def describe(subject: Subject, memory: Any, thresholds: Thresholds, now: datetime) -> Finding:
    connector = subject.connector
    if connector is None or connector.status_since is None or connector.status_at is None:
        raise AssertionError("described without a report")
    name, code = look_up(connector.error, connector.codes)
    words = (connector.vendor_error_code, connector.info, *connector.problems)
    detail = ", ".join(text for text in words if text and text != name)
    said = f"{name} ({detail})" if detail else name
    cable = code.lean is Lean.CABLE and connector.connector_id != 0
    faulted = connector.status is ConnectorState.FAULTED
    evidence = [
        Evidence(label="Status", value=str(connector.status), at=connector.status_since),
        Evidence(label="Error code", value=connector.error, threshold="NoError", at=connector.status_at),
    ]
    if connector.codes:
        evidence.append(Evidence(label="ChargeX code", value=", ".join(connector.codes), at=connector.status_at))
    if detail:
        evidence.append(Evidence(label="Vendor says", value=detail, at=connector.status_at))
    of_vehicle = code.lean is Lean.VEHICLE  # there is one, then, whatever the status says
    who = vehicle_at(subject, now)
    who = "" if of_vehicle and who == NOBODY else who
    least = 0.6 if of_vehicle else 0.95 if faulted else 0.8
    blame = attribute(subject, [who], now, lean=code.lean, least=least)
    return Finding(
        fault=RULE.code,
        asset=cable_asset(subject) if cable else station_asset(subject),
        station_id=subject.view.station_id,
        connector_id=connector.connector_id,
        severity=severity_of(code, connector.status),
        at=now,
        since=min(connector.status_since, now),
        probable_cause=f"{code.title}. {code.cause}",
        explanation=f"{place(subject)} reports {said} with status {connector.status}.",
        suggested_action=code.remedy,
        evidence=tuple(evidence),
        mrec=connector.codes or code.mrec,
        confidence=blame.confidence,
        suspects=blame.suspects,
    )


def explained(specific: Named, report: Named) -> bool:
    """A finding about the very code takes the report's place; a report that says no more than that something is
    wrong is explained by any that is as urgent."""
    if report.mrec:
        return not set(specific.mrec).isdisjoint(report.mrec)
    return specific.severity <= report.severity


RULE = Rule(
    code="reported_fault",
    title="Station reports a fault",
    scope=Scope.CONNECTOR,
    asset="station",
    severity=Severity.P2,
    mrec=(),  # the one reported
    thresholds=(
        Threshold(name="persist_s", default=60, unit="s", doc="how long the report must stand"),
        Threshold(
            name="finishing_persist_s",
            default=900,
            unit="s",
            doc="the same while Finishing: errors of a session's end mostly clear when the cable is out",
        ),
        Threshold(
            name="vehicle_persist_s",
            default=900,
            unit="s",
            doc="the same for a connector Faulted by a code that points at the vehicle",
        ),
        Threshold(
            name="close_within_s",
            default=300,
            unit="s",
            doc="the same for residual current, cable check or insulation while a vehicle charges: what protects "
            "closes again by itself, mostly within minutes",
        ),
        Threshold(name="clear_after_s", default=60, unit="s", doc="how long the report must be gone"),
    ),
    clears="The connector reports NoError and is not Faulted; problems are cleared.",
    action="See the code's remedy.",
    doc=(
        "Faulted, an error code other than NoError, or a problem of OCPP 2.x (NotifyEvent), for 60 s; safety "
        "codes (P1) at once. The code decides asset, severity, cause and remedy. Residual current, cable check "
        "and insulation (CX002, CX011, CX022) that come up while a vehicle charges may be the vehicle's leak: the "
        "protection has opened, as it should, and is told when it does not close within 5 min; when it opens for "
        "a second vehicle, `rcd_trip` and `isolation` tell it at once. Not for EVCommunicationError "
        "alone, nor for an error with Finishing that clears, nor for reports out of a station's queue, nor for an "
        "error code that the specification does not have and that nothing explains, on a connector that still "
        "works."
    ),
    evaluate=evaluate,
    describe=describe,
    memory=Memory,
    wakes=frozenset({Wake.STATUS, Wake.EVENT, Wake.LINK, Wake.BOOT}),
    inhibited_by=("offline",),
    absorbed_by=(
        *("lock", "cut_cable"),
        *("emergency_stop", "rcd_trip", "isolation", "pilot_proximity"),
        *("welded_contactor", "overcurrent", "phase_loss", "plug_overheat"),
        *("voltage_range", "site_voltage", "supply_resistance", "thermal_derate"),
    ),
    explained=explained,
)
