"""BootNotification (OCPP 1.6 section 4.2; 2.0.1 part 2 B01): the station (re)started and says what it is."""

import hashlib
from typing import Any

from collector.ocpp.action import Action, Answer, Ask
from laddvakt.domain.facts import Booted
from laddvakt.domain.times import rfc3339


def _spread(station_id: str, interval_s: int) -> int:
    """The interval, up to 10 % shorter by station, so that a fleet that restarts at once does not beat at once."""
    share = hashlib.blake2b(station_id.encode("utf-8", "surrogatepass"), digest_size=1).digest()[0] / 255
    return max(1, round(interval_s * (1 - 0.1 * share)))


def _v16(ask: Ask) -> Answer:
    payload = ask.payload
    booted = Booted(
        at=ask.received_at,
        vendor=payload["chargePointVendor"],
        model=payload["chargePointModel"],
        serial_number=payload.get("chargePointSerialNumber") or payload.get("chargeBoxSerialNumber"),
        firmware=payload.get("firmwareVersion"),
        meter_serial_number=payload.get("meterSerialNumber"),
    )
    # Status first, as in the example of OCPP-J 1.6 section 4.2.2; 2.x has it last.
    return Answer({"status": ask.policy.registration, **_reply(ask)}, (booted,))


def _v2(ask: Ask) -> Answer:
    station = ask.payload["chargingStation"]
    booted = Booted(
        at=ask.received_at,
        vendor=station["vendorName"],
        model=station["model"],
        serial_number=station.get("serialNumber"),
        firmware=station.get("firmwareVersion"),
    )
    return Answer(_reply(ask), (booted,))


def _reply(ask: Ask) -> dict[str, Any]:
    return {
        "currentTime": rfc3339(ask.received_at),
        "interval": _spread(ask.station_id, ask.policy.heartbeat_interval_s),
        "status": ask.policy.registration,
    }


ACTION = Action("BootNotification", {"ocpp1.6": _v16, "ocpp2.0.1": _v2, "ocpp2.1": _v2})
