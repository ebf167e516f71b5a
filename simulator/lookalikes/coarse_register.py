"""A meter whose register counts whole kilowatt-hours only: it stands still for minutes while power flows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station, switched
from simulator.lookalikes.wording import with_register
from simulator.speech import Message

if TYPE_CHECKING:
    from simulator.station import Station

_STEP_WH = 1000.0


def _coarsely(message: Message) -> Message:
    return with_register(message, lambda wh: wh // _STEP_WH * _STEP_WH)


def _apply(station: Station, plan: FaultPlan, on: bool) -> None:
    station.garble = _coarsely if on else None


KIND = of_station("coarse_register", switched(_apply), days=1000, whole_run=True)
