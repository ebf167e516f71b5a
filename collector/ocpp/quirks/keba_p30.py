"""KEBA P30 with OCPP 2.0.1: beside the register in Wh it sends the signed register, whose value is in kWh although
it names no unit (which would be Wh).

Source: https://github.com/m-hegele/notes/blob/main/dev/keba-invalid-meter-start-stop.md (2133854.3 Wh, and
2133.8543 without a unit beside the signed data that says kWh).
"""

from __future__ import annotations

from collector.ocpp.action import Policy
from collector.ocpp.quirks.profile import Payload, Profile, is_register, with_samples


def _in_kwh(sample: Payload) -> Payload:
    bare = "signedMeterValue" in sample and "unitOfMeasure" not in sample and is_register(sample)
    return {**sample, "unitOfMeasure": {"unit": "kWh"}} if bare else sample


def _transaction_event(payload: Payload, policy: Policy) -> Payload:
    return with_samples(payload, "meterValue", _in_kwh)


PROFILE = Profile(
    name="keba_p30",
    title="KEBA P30 (OCPP 2.0.1)",
    about="a signed register without a unit is in kWh",
    source="https://github.com/m-hegele/notes/blob/main/dev/keba-invalid-meter-start-stop.md",
    vendor=r"keba",
    model=r"P30",
    mends={"TransactionEvent": _transaction_event, "MeterValues": _transaction_event},
)
