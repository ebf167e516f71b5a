"""What drivers identify themselves with."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class TokenKind(StrEnum):
    """How a driver identified."""

    RFID = "rfid"  # a card or tag at the station's reader
    APP = "app"  # a remote start from an app
    PLATE = "plate"  # number plate or the vehicle's own address (Autocharge)
    CARD = "card"  # a payment card
    CONTRACT = "contract"  # ISO 15118 contract (eMAID)


class AuthorizationStatus(StrEnum):
    """OCPP 2.0.1 part 2 section 3.3 AuthorizationStatusEnumType; 1.6 (section 7.2) has the first five."""

    ACCEPTED = "Accepted"  # may charge
    BLOCKED = "Blocked"  # blocked by the operator
    EXPIRED = "Expired"  # its time is over
    INVALID = "Invalid"  # not valid here; 1.6: unknown
    CONCURRENT_TX = "ConcurrentTx"  # already charging elsewhere
    NO_CREDIT = "NoCredit"  # nothing left to charge for
    NOT_ALLOWED_TYPE_EVSE = "NotAllowedTypeEVSE"  # not at an EVSE of this type
    NOT_AT_THIS_LOCATION = "NotAtThisLocation"  # not at this site
    NOT_AT_THIS_TIME = "NotAtThisTime"  # not now
    UNKNOWN = "Unknown"  # nobody's

    @property
    def in_16(self) -> str:
        """The nearest word of OCPP 1.6."""
        return _IN_16.get(self, self).value


_IN_16 = {
    AuthorizationStatus.NO_CREDIT: AuthorizationStatus.BLOCKED,
    AuthorizationStatus.NOT_ALLOWED_TYPE_EVSE: AuthorizationStatus.INVALID,
    AuthorizationStatus.NOT_AT_THIS_LOCATION: AuthorizationStatus.INVALID,
    AuthorizationStatus.NOT_AT_THIS_TIME: AuthorizationStatus.INVALID,
    AuthorizationStatus.UNKNOWN: AuthorizationStatus.INVALID,
}


class Token(msgspec.Struct, frozen=True, kw_only=True):
    """A token as the records hold it: the idTag itself only as a pseudonym and a masked label."""

    token: str  # pseudonym, see laddvakt.privacy.pseudonym
    label: str  # masked, for people: "••••B2"
    kind: TokenKind = TokenKind.RFID
    driver_id: str | None = None
    status: AuthorizationStatus = AuthorizationStatus.ACCEPTED
    expires_at: datetime | None = None
    group_id: str | None = None  # whoever has the same may stop the session: 1.6 parentIdTag, 2.x groupIdToken


def status_of(token: Token, now: datetime) -> AuthorizationStatus:
    """Its status at `now`: blocked stays blocked, and nothing else outlives its time."""
    over = token.expires_at is not None and token.expires_at <= now
    blocked = token.status is AuthorizationStatus.BLOCKED
    return AuthorizationStatus.EXPIRED if over and not blocked else token.status


class Driver(msgspec.Struct, frozen=True, kw_only=True):
    """A person who charges. Name, e-mail and phone are encrypted in the records."""

    driver_id: str
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    plan: str | None = None
