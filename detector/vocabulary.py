"""What the codes mean that stations report: whose fault it is, how urgent, the likely cause and what to do.

Sources: OCPP 1.6 section 7.6 ChargePointErrorCode (16 codes); ChargeX Consortium, Recommendations for Minimum
Required Error Codes (INL/RPT-23-74378), CX001..CX026.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

from laddvakt.domain.tickets import Severity


class Lean(StrEnum):
    """Where a code points."""

    STATION = "station"  # the equipment upstream of the cable
    CABLE = "cable"  # cable, plug, lock, or the connector's contacts
    LINK = "link"  # the station's way to us
    VEHICLE = "vehicle"  # the vehicle or its driver; evidence about equipment only when it stays


class Code(NamedTuple):
    """One row: a code as reported and what it means for the person who is sent out."""

    title: str
    lean: Lean
    severity: Severity
    mrec: tuple[str, ...]
    cause: str
    remedy: str


_S, _C, _L, _V = Lean.STATION, Lean.CABLE, Lean.LINK, Lean.VEHICLE
_P1, _P2, _P3, _P4 = Severity.P1, Severity.P2, Severity.P3, Severity.P4

CHECKED_BEFORE = frozenset({"CX011", "CX022"})
"""ChargeX codes of what is checked when a vehicle is plugged in, before its session: cable and insulation."""
SELF_CLOSING = CHECKED_BEFORE | {"CX002"}
"""ChargeX codes of protections that a vehicle's own leak opens as well, here as anywhere: the checks, and residual
current. Once, with a vehicle plugged in, such a code does not say whose leak it is."""

OCPP: dict[str, Code] = {
    "ConnectorLockFailure": Code(
        "Plug lock failure",
        _C,
        _P2,
        ("CX001",),
        "The plug lock does not close or open: a worn actuator, dirt, or a plug under tension.",
        "Relieve and reseat the plug, clean the inlet, work the lock by UnlockConnector; replace the actuator.",
    ),
    "EVCommunicationError": Code(
        "No communication with the vehicle",
        _V,
        _P4,
        (),
        "The vehicle does not answer on the pilot or power line; most often the vehicle.",
        "Try another vehicle. If that one fails too, check pilot wiring and the communication module.",
    ),
    "GroundFailure": Code(
        "Ground fault",
        _S,
        _P1,
        ("CX002",),
        "The residual-current device tripped: insulation damage, moisture, or a vehicle's leakage.",
        "Keep out of use. Measure the insulation of cable and station, then test the residual-current device.",
    ),
    "HighTemperature": Code(
        "Temperature too high",
        _S,
        _P2,
        ("CX003",),
        "The station is too hot: blocked filter, dead fan, full sun, or a loose power terminal.",
        "Check fans and filters, tighten power terminals to torque, look for discolouration.",
    ),
    "InternalError": Code(
        "Internal error",
        _S,
        _P2,
        (),
        "A controller or power module inside the station failed.",
        "Reset when idle; if it comes back, read the diagnostics log and call the maker.",
    ),
    "LocalListConflict": Code(
        "Authorisation list conflict",
        _S,
        _P4,
        (),
        "The station's local authorisation list disagrees with the central one; charging still works.",
        "Send the local list again in full.",
    ),
    "NoError": Code(
        "Faulted without a code",
        _S,
        _P2,
        (),
        "The station reports itself faulted and does not say why.",
        "Reset when idle; if it comes back, read the diagnostics log on site.",
    ),
    "OtherError": Code(
        "Vendor-specific error",
        _S,
        _P2,
        (),
        "The station reports a fault of its own vocabulary; see the vendor code.",
        "Look the vendor code up in the maker's manual; reset when idle.",
    ),
    "OverCurrentFailure": Code(
        "Overcurrent",
        _S,
        _P1,
        ("CX004",),
        "The overcurrent protection tripped: a short, a wrong limit, or a vehicle drawing too much.",
        "Keep out of use. Check the cable for damage and the configured limit before resetting.",
    ),
    "OverVoltage": Code(
        "Voltage too high",
        _S,
        _P2,
        ("CX005",),
        "The supply voltage is above the permitted range, or a neutral is loose.",
        "Measure the supply at the station; a rise on one phase with a fall on another means a loose neutral.",
    ),
    "PowerMeterFailure": Code(
        "Energy meter failure",
        _S,
        _P2,
        (),
        "The station cannot read its energy meter: bus wiring or the meter itself. Sessions cannot be billed.",
        "Check meter supply and bus wiring, then replace the meter.",
    ),
    "PowerSwitchFailure": Code(
        "Contactor failure",
        _S,
        _P2,
        ("CX017",),
        "The contactor does not switch: worn contacts, coil or drive.",
        "Keep out of use until the contactor is tested; replace it.",
    ),
    "ReaderFailure": Code(
        "Card reader failure",
        _S,
        _P3,
        (),
        "The card reader does not answer; starts by app still work.",
        "Restart the station when idle; check the reader's cable; replace the reader.",
    ),
    "ResetFailure": Code(
        "Reset failed",
        _S,
        _P3,
        (),
        "The station could not carry out a reset.",
        "Cycle its power on site.",
    ),
    "UnderVoltage": Code(
        "Voltage too low",
        _S,
        _P2,
        ("CX006",),
        "The supply voltage is below the permitted range: an overloaded feeder or a loose terminal.",
        "Measure the supply with and without load; tighten terminals; ask the grid operator.",
    ),
    "WeakSignal": Code(
        "Weak radio signal",
        _L,
        _P4,
        ("CX007",),
        "The mobile or wireless signal is weak; messages may be lost.",
        "Check the antenna and its cable; change operator or place.",
    ),
}
"""OCPP 1.6 section 7.6. `NoError` is the row for Faulted without any code."""

MREC: dict[str, Code] = {
    "CX001": OCPP["ConnectorLockFailure"],
    "CX002": OCPP["GroundFailure"],
    "CX003": OCPP["HighTemperature"],
    "CX004": OCPP["OverCurrentFailure"],
    "CX005": OCPP["OverVoltage"],
    "CX006": OCPP["UnderVoltage"],
    "CX007": OCPP["WeakSignal"],
    "CX008": Code(
        "Emergency stop pressed",
        _S,
        _P1,
        ("CX008",),
        "Somebody pressed the emergency stop.",
        "Find out why on site, make sure that it is safe, then release the button.",
    ),
    "CX009": Code(
        "Authorisation timed out",
        _V,
        _P4,
        ("CX009",),
        "The driver plugged in but did not identify in time.",
        "Nothing, unless it happens to many drivers: then check reader and payment terminal.",
    ),
    "CX010": Code(
        "Vehicle in wrong mode",
        _V,
        _P4,
        ("CX010",),
        "The vehicle entered a mode that does not allow charging.",
        "Try another vehicle.",
    ),
    "CX011": Code(
        "Cable check failed",
        _C,
        _P1,
        ("CX011",),
        "The insulation test of the DC cable failed before charging: damaged or wet cable or plug.",
        "Keep out of use. Look over cable and plug, dry them, measure insulation, replace the cable.",
    ),
    "CX012": Code(
        "Pre-charge failed",
        _S,
        _P2,
        ("CX012",),
        "The station could not match the vehicle's battery voltage before closing the contactor.",
        "Try another vehicle; check pre-charge circuit and power modules.",
    ),
    "CX013": Code(
        "No internet",
        _L,
        _P3,
        ("CX013",),
        "The station lost its way to the internet for a time.",
        "Check modem, SIM and site network.",
    ),
    "CX014": Code(
        "Pilot fault",
        _C,
        _P2,
        ("CX014",),
        "The control pilot is out of range: a broken pilot wire, dirt or corrosion in the plug.",
        "Clean the plug, measure the pilot circuit with a test adapter, replace the cable.",
    ),
    "CX015": Code(
        "Power lost",
        _S,
        _P2,
        ("CX015",),
        "The station lost its supply.",
        "Check breaker, fuse and supply of the site.",
    ),
    "CX016": Code(
        "Vehicle contactor fault",
        _V,
        _P4,
        ("CX016",),
        "The vehicle reports its own contactor faulty.",
        "Try another vehicle.",
    ),
    "CX017": OCPP["PowerSwitchFailure"],
    "CX018": Code(
        "Cable hot, power reduced",
        _C,
        _P2,
        ("CX018",),
        "The plug gets hot: worn, dirty or loose contacts.",
        "Look at the contacts for discolouration; replace the cable before it stops charging.",
    ),
    "CX019": Code(
        "Cable too hot, charging stopped",
        _C,
        _P1,
        ("CX019",),
        "The plug or cable overheated: worn contacts, or failed cooling of a liquid-cooled cable.",
        "Keep out of use. Check contacts and cooling; replace the cable.",
    ),
    "CX020": Code(
        "Plug not fully inserted",
        _C,
        _P2,
        ("CX020",),
        "The plug does not seat: dirt, a broken latch, or a driver who did not push it in.",
        "Check latch and inlet for dirt and wear.",
    ),
    "CX021": Code(
        "Capacitance fault",
        _C,
        _P2,
        ("CX021",),
        "The capacitance between conductors and earth is out of range.",
        "Measure the cable; try another vehicle.",
    ),
    "CX022": Code(
        "Insulation resistance fault",
        _C,
        _P1,
        ("CX022",),
        "The insulation resistance is too low: damaged or wet cable or plug.",
        "Keep out of use. Measure insulation, dry or replace the cable.",
    ),
    "CX023": Code(
        "Proximity fault",
        _C,
        _P2,
        ("CX023",),
        "The proximity circuit is out of range: a broken wire or worn plug switch.",
        "Measure the proximity resistor in the plug; replace the plug or cable.",
    ),
    "CX024": Code(
        "Voltage on the connector",
        _S,
        _P1,
        ("CX024",),
        "Voltage stands on the connector when it must not: a welded contactor.",
        "Switch off at the breaker at once. Replace the contactor.",
    ),
    "CX025": Code(
        "Latch broken",
        _C,
        _P2,
        ("CX025",),
        "The latch of the plug is broken.",
        "Replace the plug or cable.",
    ),
    "CX026": Code(
        "Cable cut",
        _C,
        _P1,
        ("CX026",),
        "The cable was cut or torn off: theft or a vehicle that drove away.",
        "Switch off, secure the ends, replace the cable; report theft.",
    ),
}
"""ChargeX minimum required error codes."""


COMPONENTS: dict[str, str] = {
    "CableBreakawaySensor": "CX026",
    "ConnectorPlugRetentionLock": "CX001",
    "CPPWMController": "CX014",
    "EmergencyStopSensor": "CX008",
    "EVRetentionLock": "CX001",
    "GroundIsolationProtection": "CX022",
    "OverCurrentProtection": "CX004",
    "PowerContactor": "CX017",
    "RCD": "CX002",
}
"""OCPP 2.0.1 part 2 appendix 3.1, standardised components: the ChargeX code that one of them in trouble means."""

_IN_TROUBLE = frozenset({"Problem", "Tripped", "Fault"})


def implied(component: str, variable: str) -> tuple[str, ...]:
    """The ChargeX code of an event that names a standardised component and no code; () where there is none."""
    code = COMPONENTS.get(component)
    return (code,) if code is not None and variable in _IN_TROUBLE else ()


def look_up(error_code: str, mrec: tuple[str, ...]) -> tuple[str, Code]:
    """The most urgent known meaning of what a station reported, and the code it was found under. ChargeX codes
    say more than the OCPP code that carries them, so they come first; an unknown code is an OtherError."""
    known = sorted((MREC[code].severity, code) for code in mrec if code in MREC)
    if known:
        return known[0][1], MREC[known[0][1]]
    if error_code in OCPP:
        return error_code, OCPP[error_code]
    return error_code, OCPP["OtherError"]
