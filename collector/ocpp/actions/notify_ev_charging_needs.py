"""NotifyEVChargingNeeds (OCPP 2.0.1 part 2 K15): what an ISO 15118 vehicle asks for. No schedule will follow: the
station charges by its own limits, which 2.1 has a word for."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from collector.ocpp.action import Action, Answer, Ask
from collector.ocpp.evse import connector_number
from laddvakt.domain.facts import VehicleNeedsReported
from laddvakt.domain.times import parse_time

_LONGEST_STAY = timedelta(days=60)
_MOST_WH = 10_000_000  # a ship; beyond it nothing is meant


def _energy(needs: dict[str, Any]) -> int | None:
    """Wh: of an AC or DC vehicle, or the target of one that could also give."""
    ac, dc, v2x = (needs.get(f"{kind}ChargingParameters") or {} for kind in ("ac", "dc", "v2x"))
    said = ac.get("energyAmount", dc.get("energyAmount", v2x.get("evTargetEnergyRequest")))
    return round(said) if isinstance(said, int | float) and 0 <= said <= _MOST_WH else None


def _departure(said: object, now: datetime) -> datetime | None:
    """None where the vehicle's clock cannot be right."""
    at = parse_time(str(said))
    return at if at is not None and abs(at - now) <= _LONGEST_STAY else None


def _fact(ask: Ask) -> VehicleNeedsReported:
    needs = ask.payload["chargingNeeds"]
    soc = (needs.get("dcChargingParameters") or {}).get("stateOfCharge")
    return VehicleNeedsReported(
        at=ask.received_at,
        connector_id=connector_number(ask.payload["evseId"]),
        evse_id=int(ask.payload["evseId"]),
        transfer=needs["requestedEnergyTransfer"],
        energy_wh=_energy(needs),
        departure_at=_departure(needs.get("departureTime"), ask.received_at),
        soc_pct=None if soc is None else float(soc),
    )


def _v201(ask: Ask) -> Answer:
    return Answer({"status": "Rejected"}, (_fact(ask),))


def _v21(ask: Ask) -> Answer:
    return Answer({"status": "NoChargingProfile"}, (_fact(ask),))


ACTION = Action("NotifyEVChargingNeeds", {"ocpp2.0.1": _v201, "ocpp2.1": _v21})
