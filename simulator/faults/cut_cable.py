"""Thieves cut a cable for its copper. Some stations notice (`told`, one cable); others only lose the sensors in
their plugs, and nobody can plug in any more (`silent`, all cables of the station)."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec

from simulator.faults.base import FaultKind, FaultPlan, bays, planner, plug_asset, settle, station_asset
from simulator.faults.shown import Said, either, reported
from simulator.firmware import Fault
from simulator.spec import StationSpec

if TYPE_CHECKING:
    from simulator.station import Station


_TOLD = Fault("OtherError", "charging cable cut", "CX026")
_OPEN_C = -40.0  # no weather is as cold as an open sensor reads

_of_cable = planner(
    "cut_cable",
    asset=plug_asset,
    details=("told", "silent"),
    connectors=lambda spec, connector: connector.cable_id is not None,
    graded=False,
)


def _fits(spec: StationSpec) -> bool:
    return all(connector.cable_id for connector in spec.connectors)


def _plan(spec: StationSpec, rng: random.Random, since_s: float, until_s: float | None, /) -> FaultPlan:
    plan = _of_cable(spec, rng, since_s, until_s)
    if plan.detail == "silent" and len(spec.connectors) > 1:
        return msgspec.structs.replace(plan, asset=station_asset(spec), connector_id=None)
    return plan


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    settle(station, now_s)
    for bay in bays(station, plan):
        bay.flaws.cable_gone = True
        bay.circuit.defects.plug_sensor = "open"
        bay.stop("EVDisconnected", now_s)
        if plan.detail == "told":
            bay.raise_fault(_TOLD, now_s)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    for bay in bays(station, plan):
        bay.flaws.cable_gone = False
        bay.circuit.defects.plug_sensor = ""
        if bay.fault is _TOLD:
            bay.clear_fault(now_s)


def _shows(plan: FaultPlan, said: Said) -> bool:
    plug_c = said.payload.get("plug_temperature_c", said.readings().get(("Temperature", "", "Outlet"), 0.0))
    return bool(plug_c < _OPEN_C)


KIND = FaultKind("cut_cable", _plan, _begin, _end, shows=either(_shows, reported), fits=_fits, lasts_s=2 * 86_400)
