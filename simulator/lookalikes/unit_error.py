"""A station that writes its power in kilowatts and calls them watts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, switched
from simulator.lookalikes.wording import Sample, resampled, revalued
from simulator.spec import StationSpec, dialect_of
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station


def _thousandth(sample: Sample) -> Sample:
    if sample["measurand"] != "Power.Active.Import":
        return sample
    return revalued(sample, float(sample["value"]) / 1000)


def _said(message: Message) -> Message:
    return resampled(message, lambda samples: [_thousandth(sample) for sample in samples])


def _fits(spec: StationSpec) -> bool:
    return dialect_of(spec).power_unit == "W"


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.garble = _said if on else None


KIND = of_station("unit_error", switched(_apply), days=3, fits=_fits)
