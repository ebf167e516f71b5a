"""ABB Terra AC: two registers under one name. Values with a transaction id count from 0 with each session; values
without one are the station's lifetime, also in mid-session.

Source: https://github.com/lbbrhzn/ocpp/pull/919 (two registers), https://github.com/evcc-io/evcc/issues/17979 and
https://github.com/lbbrhzn/ocpp/issues/1275 (what it calls itself).
"""

from __future__ import annotations

from collector.ocpp.action import Policy
from collector.ocpp.quirks.profile import Payload, Profile, is_register, with_samples


def _of_the_inlet(sample: Payload) -> Payload:
    return {**sample, "location": "Inlet"} if is_register(sample) else sample


def _meter_values(payload: Payload, policy: Policy) -> Payload:
    if (payload.get("transactionId") or 0) > 0:
        return payload
    return with_samples(payload, "meterValue", _of_the_inlet)


PROFILE = Profile(
    name="abb_terra_ac",
    title="ABB Terra AC",
    about="a register without a transaction id is the lifetime's, not the session's: read as that of the inlet",
    source="https://github.com/lbbrhzn/ocpp/pull/919",
    vendor=r"^abb$",
    model=r"TAC",
    mends={"MeterValues": _meter_values},
)
