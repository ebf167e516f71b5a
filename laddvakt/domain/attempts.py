"""Attempts to charge: a driver plugs in and identifies; energy flows, or it does not, and there is a reason.

The one definition for detection and for reliability figures. A session says most of it; an attempt that never
became a session is told by the connector's status (see `detector.attempts`).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

GOOD_WH = 100.0
"""A session of at least 0.1 kWh charged (NEVI and ChargeX count so)."""
PATIENCE_S = 60.0
"""A driver who leaves sooner after the start has not waited for energy to flow."""
FULL_SOC_PCT = 95.0

_REFUSED = frozenset({"DeAuthorized", "Deauthorized"})
_INTERRUPTED = frozenset(
    {"EmergencyStop", "HardReset", "SoftReset", "Reboot", "PowerLoss", "ImmediateReset", "UnlockCommand"}
)

BY_ITSELF = frozenset({"Other", "PowerQuality", "GroundFault", "OvercurrentFault"})
"""The station ended it: no driver has given up."""

BY_EQUIPMENT = BY_ITSELF | (_INTERRUPTED - {"UnlockCommand"})
"""OCPP 1.6 section 7.39 Reason, 2.0.1 part 2 section 3.75 ReasonEnumType: ends that nobody there asked for."""


class Outcome(StrEnum):
    """What became of an attempt."""

    CHARGED = "charged"  # at least 0.1 kWh
    CUT_SHORT = "cut_short"  # power flowed, then it ended under 0.1 kWh: the start itself was good
    REFUSED = "refused"  # the token was not accepted: no fault of the station
    NO_START = "no_start"  # plugged in and accepted, and no session came of it
    NO_POWER = "no_power"  # a session in which nothing flowed, until somebody waited or the station ended it
    ERROR = "error"  # an error code ended it, or kept it from beginning
    GAVE_UP = "gave_up"  # the driver left within seconds
    HELD_OFF = "held_off"  # the vehicle wanted nothing, or a limit allowed nothing
    INTERRUPTED = "interrupted"  # a reset, a power cut or the emergency stop ended it

    @property
    def failed(self) -> bool:
        """It speaks against the equipment, or the vehicle."""
        return self in _FAILED

    @property
    def started(self) -> bool:
        """Power was delivered."""
        return self in (Outcome.CHARGED, Outcome.CUT_SHORT)


_FAILED = frozenset({Outcome.NO_START, Outcome.NO_POWER, Outcome.ERROR})


class ChargeAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt. `driver` is the token's pseudonym, "" where none was shown."""

    station_id: str
    connector_id: int
    driver: str
    started_at: datetime
    ended_at: datetime
    outcome: Outcome
    errors: tuple[str, ...] = ()  # error codes reported meanwhile


def outcome_of_session(
    *,
    energy_wh: float,
    duration_s: float,
    flowed: bool,
    errors: tuple[str, ...] = (),
    refused: bool = False,
    stop_reason: str = "",
    suspended_by: str = "",
    limited: bool = False,
    soc_pct: float | None = None,
) -> Outcome:
    """What became of a session that is over. `flowed`: power was seen; `suspended_by`: who paused it (EV, EVSE);
    `limited`: a limit below what a vehicle may draw was in force. The first that holds counts."""
    held_off = limited or bool(suspended_by) or (soc_pct is not None and soc_pct >= FULL_SOC_PCT)
    return next(
        outcome
        for holds, outcome in (
            (energy_wh >= GOOD_WH, Outcome.CHARGED),
            (refused or stop_reason in _REFUSED, Outcome.REFUSED),
            (stop_reason in _INTERRUPTED, Outcome.INTERRUPTED),
            (bool(errors), Outcome.ERROR),
            (flowed, Outcome.CUT_SHORT),
            (held_off, Outcome.HELD_OFF),
            (duration_s < PATIENCE_S and stop_reason not in BY_ITSELF, Outcome.GAVE_UP),
            (True, Outcome.NO_POWER),
        )
        if holds
    )
