"""What can be broken in a connector's wiring, meter and plug. Healthy is every field's default.

Faults set these; the physics honours them. Nothing here is random and nothing knows what anybody may notice.
"""

from __future__ import annotations

import math

import msgspec

_NONE = (0.0, 0.0, 0.0)


class Defects(msgspec.Struct, kw_only=True):
    """Of one connector. Phases are counted from 0; ohms, volts and watt-hours are added to the healthy ones."""

    # Power path.
    contactor_stays_open: float = 0.0  # chance, each time it should close
    contactor_sticks: float = 0.0  # chance, each time it should open
    supply_ohm: tuple[float, ...] = _NONE  # per phase, in the station's own terminals
    phase_offset_v: tuple[float, ...] = _NONE  # per phase: a neutral that has moved, a transformer set wrong
    blown: frozenset[int] = frozenset()  # phases without a fuse: no voltage, no current
    open_poles: frozenset[int] = frozenset()  # phases that the contactor does not close: voltage, no current
    pilot_gain: float = 1.0  # current that the pilot allows over the one that the firmware means
    ripple: float = 0.0  # relative standard deviation of a rectifier's current, beyond its own
    leak_ma: float = 0.0  # residual current to earth
    earth_ohm_per_v: float = math.inf  # a path from the DC outlet to earth, beside its insulation

    # Plug and cable.
    contact_ohm: float = 0.0  # of worn contacts
    cooling_lost: float = 0.0  # share of a cooled cable's cooling
    plug_sensor: str = ""  # "open" reads as cold as it can, "short" as hot; "loose" leaps now and then

    # Meter.
    register_error_wh: float = 0.0  # register minus energy delivered
    register_gain: float = 1.0  # of what the register adds up
    meter_gain: float = 1.0  # of everything that the meter measures: current, power, energy
    voltage_gain: float = 1.0  # of the voltage that it measures, and so of power and energy
    current_gain: float = 1.0  # of the current that it shows, not of power and energy
    frozen: str = ""  # "register" stands still and loses energy; "link": the last answer is repeated


class Flaws(msgspec.Struct, kw_only=True):
    """Of one bay: its controls, lock, reader, and what a driver finds. Chances, 0..1."""

    turned_away: float = 0.0  # a driver who comes leaves again: barred, dark display, broken flap
    reader_dead: float = 0.0  # a card is not read
    terminal_dead: float = 0.0  # a payment card is not taken
    pilot_fails: float = 0.0  # the pilot or proximity contact fails at plug-in
    lock_fails: float = 0.0  # the lock does not reach its end position
    start_fails: float = 0.0  # a start ends before energy flows
    start_code: str = ""  # what is said then; "" nothing
    refused: float = 0.0  # the vehicle dislikes the pilot signal and takes nothing
    withholds: float = 0.0  # the controller withholds current and forgets to give it again
    sticks: dict[str, float] = {}  # status -> chance that the bay stays in it
    stuck_s: float = math.inf  # how long, about
    cable_gone: bool = False
