"""A firmware update broke the station's messages: some of them no longer keep to the specification.

Strength is the share of its messages, 4 to 60 percent."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from simulator.faults.base import FaultKind, FaultPlan, planner, times
from simulator.faults.shown import Said
from simulator.speech import Message
from simulator.speech.base import Payload

if TYPE_CHECKING:
    from simulator.station import Station


def _extra(payload: Payload) -> None:
    payload["fwDebugCounter"] = 4711  # a field that the schema does not know


def _as_text(payload: Payload) -> None:
    for key in ("connectorId", "meterStart", "meterStop", "evseId", "seqNo"):
        if isinstance(payload.get(key), int):
            payload[key] = str(payload[key])
            return
    _extra(payload)


def _own_words(payload: Payload) -> None:
    for key, word in (("errorCode", "Error"), ("connectorStatus", "Charging"), ("triggerReason", "Timer")):
        if key in payload:
            payload[key] = word
            return
    _extra(payload)


_WAYS = (_extra, _as_text, _own_words)


def _garble(message: Message, rng: random.Random, share: float) -> Message:
    if rng.random() >= share:
        return message
    payload = dict(message.payload)
    rng.choice(_WAYS)(payload)
    return message._replace(payload=payload)


def _begin(station: Station, plan: FaultPlan, now_s: float) -> None:
    share = times(0.04, 0.6, plan.strength)
    station.garble = lambda message: _garble(message, station.rng, share)


def _end(station: Station, plan: FaultPlan, now_s: float) -> None:
    station.garble = None


def _shows(plan: FaultPlan, said: Said) -> bool:
    payload = said.payload
    texts = any(isinstance(payload.get(key), str) for key in ("connectorId", "meterStart", "evseId", "seqNo"))
    words = payload.get("errorCode") == "Error" or payload.get("connectorStatus") == "Charging"
    return "fwDebugCounter" in payload or texts or words or payload.get("triggerReason") == "Timer"


KIND = FaultKind(
    "non_conforming", planner("non_conforming", whole=True), _begin, _end, shows=_shows, lasts_s=4 * 86_400
)
