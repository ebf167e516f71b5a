"""Injet Sonic, one phase: the current of its only phase is said to be that of N.

Source: https://github.com/lbbrhzn/ocpp/issues/1311 (Current.Import 15.6 A on N, Voltage on L1-N).
"""

from __future__ import annotations

from collector.ocpp.action import Policy
from collector.ocpp.quirks.profile import Payload, Profile, samples_of, with_samples


def _is_current(sample: Payload) -> bool:
    return sample.get("measurand") == "Current.Import"


def _on_l1(sample: Payload) -> Payload:
    return {**sample, "phase": "L1"} if _is_current(sample) else sample


def _meter_values(payload: Payload, policy: Policy) -> Payload:
    phases = {sample.get("phase") for sample in samples_of(payload, "meterValue") if _is_current(sample)}
    return with_samples(payload, "meterValue", _on_l1) if phases == {"N"} else payload


PROFILE = Profile(
    name="injet_sonic",
    title="Injet Sonic",
    about="where N is the only phase with a current, it is L1",
    source="https://github.com/lbbrhzn/ocpp/issues/1311",
    vendor=r"injet",
    mends={"MeterValues": _meter_values},
)
