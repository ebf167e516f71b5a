"""The rungs of the remediation ladder: which faults have which, and what each step says to a station. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, NamedTuple

from laddvakt.domain.stations import place_of
from laddvakt.domain.tickets import Ticket

Command = tuple[str, dict[str, Any]]


class Step(StrEnum):
    """A rung of the ladder, the mildest first."""

    ASK = "ask"  # TriggerMessage: perhaps what we know is old, or its clock wants the time
    CLEAR_PROFILE = "clear_profile"  # ClearChargingProfile: a TxProfile whose session is over
    UNLOCK = "unlock"  # UnlockConnector
    SOFT_RESET = "soft_reset"  # Reset Soft (2.x: OnIdle)
    HARD_RESET = "hard_reset"  # Reset Hard (2.x: Immediate)


RESETS = frozenset({Step.SOFT_RESET, Step.HARD_RESET})

WORDS = {
    Step.ASK: "asking the station how it is",
    Step.CLEAR_PROFILE: "clearing what a session left of its charging profile",
    Step.UNLOCK: "unlocking the connector",
    Step.SOFT_RESET: "a soft reset",
    Step.HARD_RESET: "a hard reset",
}


class Proof(StrEnum):
    """What shows that a step did not help."""

    TIME = "time"  # the fault still stands when the step had its time
    SESSION = "session"  # and somebody has charged since: without a session the rule can see no better


class Ladder(NamedTuple):
    """The rungs for one fault."""

    steps: tuple[Step, ...]
    proof: Proof


_RESTART = (Step.ASK, Step.SOFT_RESET, Step.HARD_RESET)
_PROFILE = (Step.ASK, Step.CLEAR_PROFILE, Step.SOFT_RESET, Step.HARD_RESET)
_UNLOCK = (Step.ASK, Step.UNLOCK, Step.SOFT_RESET, Step.HARD_RESET)

LADDERS: dict[str, Ladder] = {
    "reported_fault": Ladder(_RESTART, Proof.TIME),
    "no_power": Ladder(_PROFILE, Proof.SESSION),
    "no_energy_sessions": Ladder(_PROFILE, Proof.SESSION),
    "failed_starts": Ladder(_PROFILE, Proof.SESSION),
    "silent_station": Ladder(_RESTART, Proof.SESSION),
    "lock": Ladder((Step.ASK, Step.UNLOCK, Step.SOFT_RESET), Proof.SESSION),
    "stuck_preparing": Ladder(_UNLOCK, Proof.TIME),
    "stuck_finishing": Ladder(_UNLOCK, Proof.TIME),
    "reader_fault": Ladder(_RESTART, Proof.SESSION),
    "payment_fault": Ladder(_RESTART, Proof.SESSION),
    "meter_frozen": Ladder(_RESTART, Proof.SESSION),
    "clock_drift": Ladder((Step.ASK, Step.SOFT_RESET), Proof.TIME),
}
"""What is not here is left to people: a restart cannot mend it, hides it, or makes it worse (`flapping`).
`stuck_suspended_evse` stands in a session, and the ladder never acts in one."""

NOT_BY_RESTART = frozenset(f"CX{number:03}" for number in (2, 3, 4, 5, 6, 7, 8, 11, 12, *range(13, 25), 26))
"""ChargeX codes of what a restart does not mend and could hide: supply, insulation, heat, contactors, cables, the
radio. Locks and latches (CX001, CX025), waiting (CX009, CX010) and what has no such code may be tried."""

CONNECTORS_ONLY = frozenset({Step.UNLOCK, Step.CLEAR_PROFILE})
"""Steps that need a connector to act on."""


def command_for(step: Step, ticket: Ticket, protocol: str | None) -> Command:
    """Action and payload in the words of the station's version (OCPP 1.6 section 5; 2.0.1 part 2, B11, B12, F05,
    F06, K10)."""
    old = protocol in (None, "ocpp1.6")
    if step in RESETS:
        soft = step is Step.SOFT_RESET
        return "Reset", {"type": ("Soft" if soft else "Hard") if old else ("OnIdle" if soft else "Immediate")}
    return _COMMANDS[step](ticket, old)


def _ask(ticket: Ticket, old: bool) -> Command:
    """In 2.x a status is a connector's (F06.FR.12), so a whole station is asked for a heartbeat; the answer to one
    sets its clock."""
    if ticket.fault == "clock_drift" or not (old or ticket.connector_id):
        return "TriggerMessage", {"requestedMessage": "Heartbeat"}
    payload: dict[str, Any] = {"requestedMessage": "StatusNotification"}
    if ticket.connector_id:
        evse, within = place_of(ticket.connector_id)
        where = {"connectorId": ticket.connector_id} if old else {"evse": {"id": evse, "connectorId": within}}
        payload |= where
    return "TriggerMessage", payload


def _clear_profile(ticket: Ticket, old: bool) -> Command:
    """Only what belongs to a transaction: other profiles may keep the site's fuse whole."""
    purpose = {"chargingProfilePurpose": "TxProfile"}
    if old:
        return "ClearChargingProfile", {"connectorId": ticket.connector_id, **purpose}
    evse, _ = place_of(ticket.connector_id or 1)
    return "ClearChargingProfile", {"chargingProfileCriteria": {"evseId": evse, **purpose}}


def _unlock(ticket: Ticket, old: bool) -> Command:
    if old:
        return "UnlockConnector", {"connectorId": ticket.connector_id}
    evse, within = place_of(ticket.connector_id or 1)
    return "UnlockConnector", {"evseId": evse, "connectorId": within}


_COMMANDS = {Step.ASK: _ask, Step.CLEAR_PROFILE: _clear_profile, Step.UNLOCK: _unlock}
