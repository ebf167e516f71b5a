"""What an action file declares, and what it is given."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from laddvakt.domain.facts import Fact
from laddvakt.domain.identification import Shown
from laddvakt.domain.tokens import AuthorizationStatus


class Purpose(NamedTuple):
    """What a token is shown for: to start or to stop a transaction of this station, or (neither) not said."""

    station_id: str
    connector_id: int = 0  # 0: not said
    starts: str | None = None  # transactionId
    stops: str | None = None  # transactionId


class Verdict(NamedTuple):
    """What a station is told about a token."""

    status: AuthorizationStatus
    expires_at: datetime | None = None
    group_id: str | None = None

    @property
    def refused(self) -> str | None:
        """The status in words where it is not Accepted."""
        return None if self.status is AuthorizationStatus.ACCEPTED else self.status.value


ACCEPTED = Verdict(AuthorizationStatus.ACCEPTED)


TotalCost = Callable[[str, str, bool], float | None]
"""(station, transactionId, whether it has ended) -> what it costs, VAT included; None where that is not known."""


def no_cost(station_id: str, transaction_id: str, ended: bool) -> float | None:
    """Nothing is known."""
    return None


class Policy(NamedTuple):
    """What the collector has decided about a station and its drivers, so that actions stay pure."""

    heartbeat_interval_s: int = 300
    registration: str = "Accepted"  # RegistrationStatus, OCPP 1.6 section 7.38
    certificate_name: str | None = None  # for which its requests are signed; None: they are not
    authorize: Callable[[Shown, Purpose, datetime], Verdict] = lambda shown, purpose, now: ACCEPTED
    # (station, uniqueId) -> the transactionId that a recorded log shows another central system gave, or None
    recorded_transaction: Callable[[str, str], int | None] = lambda station_id, unique_id: None
    total_cost: TotalCost = no_cost
    strict: bool = False  # what breaks the specification is refused, also where its sense is plain
    # What the records say that the station is, until it says so itself; and its site's time zone
    vendor: str | None = None
    model: str | None = None
    firmware: str | None = None
    timezone: str = "UTC"


class Ask(NamedTuple):
    """One CALL of a station."""

    station_id: str
    unique_id: str
    payload: dict[str, Any]
    received_at: datetime
    policy: Policy


class SigningRequest(NamedTuple):
    """A certificate that a station is to get: for this name, by this request (PEM). What it is told with it
    repeats some fields of its question."""

    station_id: str
    name: str
    csr: str
    repeated: dict[str, Any]


class Answer(NamedTuple):
    """The CALLRESULT's payload (keys in the order of the specification's examples), what the message says, and
    what is to be done when the reply is on its way."""

    reply: dict[str, Any]
    facts: tuple[Fact, ...] = ()
    errand: SigningRequest | None = None


class Action(NamedTuple):
    """One OCPP action: how each protocol version of it is read and answered."""

    name: str
    versions: dict[str, Callable[[Ask], Answer]]
