"""An update that takes several restarts within the hour, told step by step; afterwards the version is another."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from simulator.faults.base import FaultPlan
from simulator.lookalikes.base import of_station

if TYPE_CHECKING:
    from simulator.station import Station

_NEXT = "1.9.0"
_RESTARTS = 5


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    for at_s, status in ((0, "Downloading"), (150, "Downloaded"), (200, "Installing")):
        station.after(at_s, now_s, partial(_tell, station, plan, status))
    for number in range(_RESTARTS):
        station.after(
            230 + 400 * number, now_s, lambda now: station.restart("Reboot", now, boot_reason="FirmwareUpdate")
        )
    station.after(230 + 400 * _RESTARTS, now_s, lambda now: _done(station, plan, now))


def _tell(station: Station, plan: FaultPlan, status: str, now_s: float) -> None:
    station.say(station.speech.firmware(status, int(plan.since_s) % 2**31), now_s)


def _done(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.spec = msgspec.structs.replace(station.spec, firmware=_NEXT)
    _tell(station, plan, "Installed", now_s)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.power_on(now_s)


KIND = of_station("firmware_update", (_begin, _end), days=1.5 / 24)
