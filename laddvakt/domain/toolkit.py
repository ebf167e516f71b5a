"""What to take along to a fault, by its code in the catalogue. A fault without a row gets its asset's."""

from __future__ import annotations

from laddvakt.domain.tickets import Ticket

_METER = "reference meter, seals"
_CONTACTOR = "insulated tools, voltage tester, spare contactor"
_PLUG = "spare cable with plug, thermometer (infrared), torque screwdriver"
_SUPPLY = "voltage tester, clamp meter, torque screwdriver for the terminals"
_NETWORK = "SIM card, antenna, laptop with the vendor's tool"
_LOCK = "lock actuator, hand tools, contact spray"
_TESTER = "charging tester (vehicle simulator)"

BRING = {
    "offline": f"{_NETWORK}, voltage tester",
    "site_outage": f"voltage tester, spare fuses, {_NETWORK}",
    "flapping": _NETWORK,
    "plug_resistance": _PLUG,
    "plug_overheat": f"{_PLUG}, barrier tape",
    "supply_resistance": _SUPPLY,
    "voltage_range": f"{_SUPPLY}, the grid operator's number",
    "phase_loss": f"{_SUPPLY}, spare fuses",
    "phase_imbalance": _SUPPLY,
    "overcurrent": f"clamp meter, {_TESTER}, barrier tape",
    "welded_contactor": f"{_CONTACTOR}, barrier tape",
    "no_power": f"{_TESTER}, {_CONTACTOR}",
    "isolation": "insulation tester, spare cable, barrier tape",
    "rcd_trip": "RCD tester, insulation tester",
    "pilot_proximity": f"{_TESTER}, spare cable with plug",
    "cut_cable": "spare cable with plug, insulation tester, barrier tape, camera for the police report",
    "lock": _LOCK,
    "meter_frozen": _METER,
    "meter_rollback": _METER,
    "meter_jump": _METER,
    "meter_drift": _METER,
    "power_mismatch": _METER,
    "thermal_derate": "filters, spare fan, vacuum cleaner, thermometer (infrared)",
    "module_loss": f"spare power module, {_TESTER}",
    "silent_station": f"{_TESTER}, test card",
    "failed_starts": f"{_TESTER}, test card",
    "no_energy_sessions": f"{_TESTER}, {_CONTACTOR}",
    "stuck_preparing": f"{_TESTER}, test card",
    "stuck_finishing": f"{_LOCK}, {_TESTER}",
    "stuck_suspended_evse": f"{_TESTER}, laptop with the vendor's tool",
    "clock_drift": "laptop with the vendor's tool",
    "reader_fault": "spare card reader, test card",
    "payment_fault": "spare payment terminal, test card of a bank",
    "emergency_stop": "key of the emergency stop, barrier tape",
}

_BY_ASSET = {
    "cable": _PLUG,
    "connector": f"{_TESTER}, {_LOCK}",
    "station": f"{_TESTER}, laptop with the vendor's tool",
    "site": "voltage tester, spare fuses",
}

_BY_MREC = {
    "CX001": _LOCK,
    "CX002": BRING["rcd_trip"],
    "CX008": BRING["emergency_stop"],
    "CX026": BRING["cut_cable"],
}
"""Of what a station reports, where its ChargeX code says more than that it is a fault."""


def to_bring(ticket: Ticket) -> str:
    """In words, for a person who packs."""
    reported = (_BY_MREC[code] for code in ticket.mrec if code in _BY_MREC)
    return BRING.get(ticket.fault) or next(reported, _BY_ASSET.get(ticket.asset.kind, _BY_ASSET["station"]))
