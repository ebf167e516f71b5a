"""Growatt THOR: timestamps without a zone are local time, not UTC as elsewhere.

Source: https://github.com/evcc-io/evcc/issues/10399 (a StartTransaction stamped 2023-10-19T15:28:07, local time),
https://github.com/lbbrhzn/ocpp/issues/1709 (what it calls itself; newer firmware names its zone).
"""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from collector.ocpp.action import Policy
from collector.ocpp.quirks.profile import Payload, Profile


def _zoned(text: str, policy: Policy) -> str:
    try:
        said = datetime.fromisoformat(text.strip())
    except ValueError:
        return text
    return text if said.tzinfo is not None else said.replace(tzinfo=ZoneInfo(policy.timezone)).isoformat()


def _own(payload: Payload, policy: Policy) -> Payload:
    if "timestamp" not in payload:
        return payload
    return {**payload, "timestamp": _zoned(payload["timestamp"], policy)}


def _values(key: str, payload: Payload, policy: Policy) -> Payload:
    if not payload.get(key):
        return payload
    return {**payload, key: [_own(value, policy) for value in payload[key]]}


PROFILE = Profile(
    name="growatt_thor",
    title="Growatt THOR",
    about="a timestamp without a zone is in the local time of the site",
    source="https://github.com/evcc-io/evcc/issues/10399",
    vendor=r"growatt",
    model=r"^THOR",
    mends={
        "StatusNotification": _own,
        "StartTransaction": _own,
        "StopTransaction": lambda payload, policy: _values("transactionData", _own(payload, policy), policy),
        "MeterValues": lambda payload, policy: _values("meterValue", payload, policy),
    },
)
