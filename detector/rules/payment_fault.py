"""The payment terminal takes no cards any more."""

from __future__ import annotations

from detector.rules.base import Rule, Scope
from detector.rules.reader_fault import THRESHOLDS, WAKES, Kind, Memory, describe_by, judge_by, share_by
from detector.ways import Way
from laddvakt.domain.tickets import Severity

PAYMENT = Kind(
    Way.CARD,
    "payment_fault",
    "Payment terminal takes no cards",
    "payment card",
    "The payment terminal is dark, has no network of its own, or its reader or key has failed.",
    "Restart the terminal; pay with a test card; check its network and its contract; replace it.",
)

RULE = Rule(
    code=PAYMENT.code,
    title=PAYMENT.title,
    scope=Scope.STATION,
    asset="station",
    severity=Severity.P3,
    mrec=(),
    thresholds=THRESHOLDS,
    clears="As many of the last visits are paid by card at the terminal as use to be.",
    action=PAYMENT.action,
    doc=(
        "The same as reader_fault for payment cards at the station's terminal, which starts show by their kind "
        "of token (DirectPayment, OCPP 2.1). Not for an acquirer's outage: then most other stations have had no "
        "payment since either. Not for a campaign for another way to start. A terminal whose maker starts "
        "sessions from afar cannot be told from an app, and is not judged."
    ),
    evaluate=judge_by(PAYMENT),
    describe=describe_by(PAYMENT),
    memory=Memory,
    wakes=WAKES,
    inhibited_by=("offline", "emergency_stop", "reported_fault", "reader_fault"),
    share=share_by(PAYMENT),
)
