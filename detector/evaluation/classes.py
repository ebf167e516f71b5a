"""What counts as having found a fault of each class: how soon, and under which name.

The deadlines say what a ticket is worth to somebody who has to drive out; they are no thresholds of any rule.
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


class Grading(NamedTuple):
    """`within`: a ticket that comes later than this after the fault showed comes too late. `proof_s`: of a hard
    fault, how long the catalogue wants it to hold; None where finding it takes sessions. `samples`: how many of
    the messages that show it the catalogue wants, whatever time lies between them. `incipient`: it creeps up while
    charging still works. `also`: other codes that name the same thing to a technician. `sessions`, `vehicles`: the
    fewest that the catalogue's own condition takes; what fewer have met counts as missed all the same."""

    within: timedelta
    proof_s: float | None = None
    incipient: bool = False
    also: frozenset[str] = frozenset()
    samples: int = 1
    sessions: int = 0
    vehicles: int = 0


_REPORTED = frozenset({"reported_fault"})

# A station that reports a fault itself sends somebody to the right place for the right reason: where firmware can
# see a fault, a ticket of its report counts. A second ticket beside it is a duplicate all the same.
GRADINGS: dict[str, Grading] = {
    # The station says it, or its silence does.
    "reported_fault": Grading(
        HOUR,
        60,
        also=frozenset(
            {"rcd_trip", "lock", "pilot_proximity", "isolation", "cut_cable", "emergency_stop", "plug_overheat"}
        ),
    ),
    "offline": Grading(HOUR, 900),
    "site_outage": Grading(HOUR, 900),
    "emergency_stop": Grading(HOUR, 0, also=_REPORTED),
    "cut_cable": Grading(HOUR, 600, also=_REPORTED),
    # Readings prove it, as soon as they hold for a while; some only with the next vehicle.
    "plug_overheat": Grading(DAY, 60, also=_REPORTED, samples=2),
    "voltage_range": Grading(DAY, 600, also=_REPORTED | {"site_voltage"}, samples=2),
    "phase_loss": Grading(DAY, 120, also=_REPORTED, samples=2),
    "overcurrent": Grading(DAY, 120, also=_REPORTED, samples=2),
    "welded_contactor": Grading(DAY, 60, also=_REPORTED, samples=2),
    "meter_frozen": Grading(DAY, 300, also=_REPORTED, samples=3),
    "meter_rollback": Grading(DAY, 180, also=_REPORTED, samples=3),
    "meter_jump": Grading(DAY, 120, also=_REPORTED),
    # Several messages, sessions or vehicles prove it.
    "flapping": Grading(DAY),
    "clock_drift": Grading(DAY),
    "non_conforming": Grading(DAY),
    "stuck_preparing": Grading(DAY),
    "stuck_finishing": Grading(3 * DAY),  # only who comes next tells it from a parked car
    "stuck_suspended_evse": Grading(DAY),
    "no_power": Grading(2 * DAY, also=_REPORTED, sessions=2, vehicles=2),
    "no_energy_sessions": Grading(3 * DAY, also=frozenset({"no_power"}), sessions=3, vehicles=2),
    "failed_starts": Grading(3 * DAY, sessions=3, vehicles=2),
    "isolation": Grading(2 * DAY, also=_REPORTED, sessions=2, vehicles=2),
    "rcd_trip": Grading(2 * DAY, also=_REPORTED, sessions=2, vehicles=2),
    "pilot_proximity": Grading(2 * DAY, also=_REPORTED, sessions=3, vehicles=2),
    "lock": Grading(2 * DAY, also=_REPORTED, sessions=2, vehicles=1),
    "silent_station": Grading(10 * DAY),  # where one driver a day is usual, a week without is chance
    "reader_fault": Grading(7 * DAY, also=_REPORTED, sessions=6, vehicles=2),
    "payment_fault": Grading(7 * DAY, sessions=6, vehicles=2),
    "phase_imbalance": Grading(3 * DAY, also=_REPORTED),
    "power_mismatch": Grading(3 * DAY),
    "thermal_derate": Grading(3 * DAY, also=_REPORTED),
    # Creeps up.
    # Contacts that are far gone overheat, and whoever is sent for that finds them.
    "plug_resistance": Grading(
        14 * DAY, incipient=True, also=_REPORTED | {"plug_overheat"}, sessions=3, vehicles=2
    ),
    "supply_resistance": Grading(14 * DAY, incipient=True, sessions=3, vehicles=1),
    "meter_drift": Grading(14 * DAY, incipient=True, sessions=5, vehicles=1),
    "module_loss": Grading(14 * DAY, incipient=True, also=_REPORTED, sessions=20, vehicles=2),
    # No rule names it. Energy is voltage times current: the register counts wrong by what the voltage is off, and
    # another meter that says so sends somebody to exchange the right one.
    "voltage_sensor": Grading(7 * DAY, also=frozenset({"meter_drift"}), sessions=3, vehicles=2),
}
_DEFAULT = Grading(7 * DAY, sessions=3, vehicles=2)
"""Of faults that the catalogue does not know: only the forests can find them."""

NOT_IN_READINGS = frozenset(
    {
        "reported_fault",
        "offline",
        "site_outage",
        "emergency_stop",
        "cut_cable",
        "flapping",
        "clock_drift",
        "non_conforming",
        "stuck_preparing",
        "stuck_finishing",
        "stuck_suspended_evse",
        "failed_starts",
        "rcd_trip",
        "pilot_proximity",
        "lock",
        "silent_station",
        "reader_fault",
        "payment_fault",
    }
)
"""Faults of the link, the clock, the cards and the handling of plugs: what is measured while a vehicle charges is
as always, so no model of it can find them."""

AFTER_END = 2 * HOUR
"""A ticket this long after a fault's end still belongs to it: some are judged when the session is over."""


def grading(fault: str) -> Grading:
    return GRADINGS.get(fault, _DEFAULT)


_OF_CODE = {("failed_starts", "CX011"): frozenset({"isolation"})}
"""What names a fault that the station itself reports with a code: a cable check that fails twice is `isolation` by
the catalogue, and sends somebody to the same cable to measure and replace it."""


def names_it(code: str, fault: str, detail: str = "") -> bool:
    """Whether a ticket of `code` tells a technician of a fault of class `fault`, of this kind."""
    told = {name for word in detail.split() for name in _OF_CODE.get((fault, word), ())}
    return code == fault or code in grading(fault).also or code in told
