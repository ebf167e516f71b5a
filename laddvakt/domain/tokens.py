"""What drivers identify themselves with."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class TokenKind(StrEnum):
    """How a driver identified."""

    RFID = "rfid"  # a card at the station's reader
    APP = "app"  # a remote start from an app
    PLATE = "plate"  # number plate or the vehicle's own address (Autocharge)
    CARD = "card"  # a payment card
    CONTRACT = "contract"  # ISO 15118 contract (eMAID)


class AuthorizationStatus(StrEnum):
    """OCPP 1.6 section 7.2."""

    ACCEPTED = "Accepted"  # may charge
    BLOCKED = "Blocked"  # blocked by the operator
    EXPIRED = "Expired"  # its time is over
    INVALID = "Invalid"  # unknown
    CONCURRENT_TX = "ConcurrentTx"  # already charging elsewhere


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as the records hold it: the idTag itself only as a pseudonym and a masked label."""

    token: str  # pseudonym, see laddvakt.privacy.pseudonym
    label: str  # masked, for people: "••••B2"
    kind: TokenKind = TokenKind.RFID
    driver_id: str | None = None
    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    expires_at: datetime | None = None


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """A person who charges. Name, e-mail and phone are encrypted in the records."""

    driver_id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    plan: str | None = None
