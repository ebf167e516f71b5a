"""What a station's firmware makes of readings before it sends them, over a whole message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulator.speech import Message

Sample = dict[str, Any]
_REGISTER = "Energy.Active.Import.Register"


def resampled(message: Message, change: Callable[[list[Sample]], list[Sample]]) -> Message:
    """The message with each of its meter values' samples changed; what was said stays as it was."""
    payload = dict(message.payload)
    for key in ("meterValue", "transactionData"):
        if key in payload:
            payload[key] = [value | {"sampledValue": change(value["sampledValue"])} for value in payload[key]]
    return message._replace(payload=payload)


def revalued(sample: Sample, value: float) -> Sample:
    """The sample with another value, written as its version of OCPP writes it."""
    text = isinstance(sample["value"], str)
    return sample | {"value": f"{value:.10g}" if text else value}


def with_register(message: Message, change: Callable[[float], float]) -> Message:
    """The message with all that is of the energy register changed; `change` takes and gives watt-hours."""

    def one(sample: Sample) -> Sample:
        if sample["measurand"] != _REGISTER:
            return sample
        unit = sample.get("unit") or sample.get("unitOfMeasure", {}).get("unit", "Wh")
        scale = 1000.0 if unit == "kWh" else 1.0
        return revalued(sample, change(float(sample["value"]) * scale) / scale)

    changed = resampled(message, lambda samples: [one(sample) for sample in samples])
    for key in ("meterStart", "meterStop"):
        if key in changed.payload:
            changed.payload[key] = round(change(float(changed.payload[key])))
    return changed
