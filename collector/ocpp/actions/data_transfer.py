"""DataTransfer (OCPP 1.6 section 4.3; 2.0.1 part 2 P02): a vendor's own message. Kept; two kinds are understood:

- Plug & Charge on 1.6 (Open Charge Alliance: "Using ISO 15118 Plug & Charge with OCPP 1.6", and the extension of
  has.to.be before it): Authorize, with the contract in `data`;
- a vehicle that is announced before its transaction (Autocharge): data that names an address, plate or VIN.
"""

from __future__ import annotations

from typing import Any

import msgspec

from collector.ocpp.action import Action, Answer, Ask, Purpose
from collector.ocpp.id_token import NO_CERTIFICATE, NOT_CHECKED, id_token_info
from laddvakt.domain.facts import Fact, TokenPresented, VehicleIdentified, VendorMessage
from laddvakt.domain.identification import Shown, is_vehicle_address, kind_shown, normal_form
from laddvakt.domain.tokens import TokenKind

_PLUG_AND_CHARGE = {"org.openchargealliance.iso15118pnc", "iso15118"}
_ADDRESSES = {"evccid", "vid", "vehicleid", "mac", "macaddress", "evmac", "evmacaddress", "vehiclemacaddress"}
_PLATES = {"plate", "licenseplate", "licenceplate", "numberplate", "platenumber", "licenseplatenumber", "vin"}
_CONNECTORS = {"connectorid", "connector", "evseid"}
_LONGEST = 4096  # characters of data that are looked into for a vehicle
_PLATE_LENGTHS = range(2, 18)  # 17: a VIN


def _v16(ask: Ask) -> Answer:
    payload = ask.payload
    if payload["vendorId"] in _PLUG_AND_CHARGE and payload.get("messageId") == "Authorize":
        return _contract(ask)
    return _read(ask)


def _read(ask: Ask) -> Answer:
    payload = ask.payload
    data = payload.get("data")  # a text in 1.6, anything in 2.x
    kept = _kept(ask, data if data is None or isinstance(data, str) else msgspec.json.encode(data).decode())
    vehicle = _vehicle(ask, _parsed(data))
    if vehicle is None:
        return Answer({"status": "UnknownVendorId"}, (kept,))
    return Answer({"status": "Accepted"}, (kept, vehicle))


def _kept(ask: Ask, data: str | None) -> VendorMessage:
    return VendorMessage(
        at=ask.received_at,
        vendor_id=ask.payload["vendorId"],
        message_id=ask.payload.get("messageId"),
        data=data,
    )


def _parsed(data: Any) -> Any:
    if not isinstance(data, str) or len(data) > _LONGEST:
        return data
    try:
        return msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return data


# Plug & Charge.


def _contract(ask: Ask) -> Answer:
    data = ask.payload.get("data")
    asked = _parsed_contract(data)
    token = asked.get("idToken")
    id_tag = token.get("idToken") if isinstance(token, dict) else token
    if not isinstance(id_tag, str) or not id_tag.strip():
        return Answer({"status": "Rejected"}, (_kept(ask, data),))
    shown = Shown(id_tag, TokenKind.CONTRACT)
    checks = bool(asked.get("certificate"))
    verdict = NOT_CHECKED if checks else ask.policy.authorize(shown, Purpose(ask.station_id), ask.received_at)
    fact = TokenPresented(
        at=ask.received_at,
        id_tag=id_tag,
        token_kind=shown.kind,
        accepted=verdict.refused is None,
        answer=verdict.status.value,
    )
    answer = {"idTokenInfo": id_token_info(verdict)} | (NO_CERTIFICATE if checks else {})
    text = msgspec.json.encode(answer).decode()
    return Answer({"status": "Accepted", "data": text}, (_kept(ask, data), fact))


def _parsed_contract(data: Any) -> dict[str, Any]:
    """The request inside; it may be long, since certificates are."""
    try:
        found = msgspec.json.decode(data) if isinstance(data, str) else data
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


# Autocharge.


def _vehicle(ask: Ask, data: Any) -> Fact | None:
    if isinstance(data, str):
        shows = len(data) <= _LONGEST and kind_shown(Shown(data)) is TokenKind.PLATE
        return VehicleIdentified(at=ask.received_at, id_tag=data) if shows else None
    if not isinstance(data, dict):
        return None
    said = {_bare(name): value for name, value in data.items()}
    for name, value in said.items():
        if isinstance(value, str) and _identifies(name, value):
            connectors = [said[key] for key in _CONNECTORS & said.keys()]
            return VehicleIdentified(at=ask.received_at, id_tag=value, connector_id=_number(connectors))
    return None


def _identifies(name: str, value: str) -> bool:
    if name in _ADDRESSES:
        return is_vehicle_address(value)
    return name in _PLATES and len(normal_form(value, TokenKind.PLATE)) in _PLATE_LENGTHS


def _bare(name: str) -> str:
    return name.replace("_", "").replace("-", "").casefold()


def _number(said: list[Any]) -> int:
    """The connector; 0 where it is not said."""
    numbers = [int(one) for one in map(str, said) if one.isascii() and one.isdigit() and len(one) < 9]
    return min(numbers, default=0)


ACTION = Action("DataTransfer", {"ocpp1.6": _v16, "ocpp2.0.1": _read, "ocpp2.1": _read})
