"""A station that tells one current, the sum of its three phases', as if it were that of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, switched
from simulator.lookalikes.wording import Sample, resampled, revalued
from simulator.spec import three_phase
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station

_CURRENT = "Current.Import"


def _summed(samples: list[Sample]) -> list[Sample]:
    currents = [sample for sample in samples if sample["measurand"] == _CURRENT]
    if not currents:
        return samples
    total = revalued(currents[0], sum(float(sample["value"]) for sample in currents))
    total.pop("phase", None)
    return [total, *(sample for sample in samples if sample["measurand"] != _CURRENT)]


def _said(message: Message) -> Message:
    return resampled(message, _summed)


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.garble = _said if on else None


KIND = of_station("phase_sum", switched(_apply), days=3, fits=three_phase)
