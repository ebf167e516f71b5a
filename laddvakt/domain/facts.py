"""Facts: what a message says, in one vocabulary for every protocol. The collector reads them out of messages;
everything behind the event log works on facts alone.

Each fact has `at`, its effective time in UTC; the entry that carries it has the station, the raw message and
both clocks. `connector_id` 0 is the station as a whole (OCPP 1.6 section 3.2).
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from laddvakt.domain.commands import CommandStatus
from laddvakt.domain.readings import Reading
from laddvakt.domain.stations import ConnectorState
from laddvakt.domain.tokens import TokenKind


# gc=False, here and on other frozen values: they hold plain values and cannot be part of a cycle, so the garbage
# collector need not follow thousands of them in each group of entries.
class _Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=True, gc=False):
    at: datetime


class LinkUp(_Fact, frozen=True, kw_only=True):
    """A station's socket is open and authenticated. Its `at` tells this link from the station's others."""

    protocol: str  # ocpp1.6, ocpp2.0.1, ocpp2.1


class LinkDown(_Fact, frozen=True, kw_only=True):
    """A station's socket is gone. It changes nothing where another one has taken its place."""

    reason: str = ""
    since: datetime | None = None  # `at` of the LinkUp that it ends; None: of whichever there is


class Booted(_Fact, frozen=True, kw_only=True):
    """BootNotification: the station (re)started."""

    vendor: str
    model: str
    serial_number: str | None = None
    firmware: str | None = None
    meter_serial_number: str | None = None


class StatusReported(_Fact, frozen=True, kw_only=True):
    """StatusNotification. `reported` keeps the word as said when it is outside the enum, `station_at` the
    station's time where `at` is another."""

    connector_id: int
    evse_id: int | None = None
    status: ConnectorState
    reported: str = ""
    error_code: str = "NoError"
    info: str | None = None
    vendor_id: str | None = None
    vendor_error_code: str | None = None
    mrec: tuple[str, ...] = ()  # ChargeX codes CX001..CX026 said in vendorErrorCode or info, EVgo's translated
    station_at: datetime | None = None


class TokenPresented(_Fact, frozen=True, kw_only=True):
    """Authorize: a driver asked to charge."""

    id_tag: str
    token_kind: TokenKind | None = None  # as the message shows it; None: it does not
    accepted: bool
    answer: str  # AuthorizationStatus


class TransactionStarted(_Fact, frozen=True, kw_only=True):
    """StartTransaction (`transaction_id` is the one that the station was given), or a TransactionEvent that starts
    a transaction."""

    connector_id: int
    evse_id: int | None = None
    transaction_id: str
    id_tag: str | None = None
    token_kind: TokenKind | None = None
    refused: str | None = None  # AuthorizationStatus, where the token was not accepted; the station decides
    meter_start_wh: int | None = None
    reservation_id: int | None = None
    station_at: datetime | None = None
    numbered: bool = False  # OCPP 2.x: a TransactionReported beside it has its number


class TransactionStopped(_Fact, frozen=True, kw_only=True):
    """StopTransaction, or a TransactionEvent that ends a transaction."""

    transaction_id: str
    id_tag: str | None = None
    token_kind: TokenKind | None = None
    meter_stop_wh: int | None = None
    reason: str = "Local"  # OCPP 1.6 section 6.49: Local when absent
    station_at: datetime | None = None
    numbered: bool = False


class TransactionReported(_Fact, frozen=True, kw_only=True):
    """Any TransactionEvent (OCPP 2.x): its number within the transaction, and what the EVSE does. A start and a
    stop are facts of their own beside it."""

    transaction_id: str
    event: str  # Started, Updated, Ended
    seq_no: int
    trigger: str = ""  # TriggerReasonEnumType
    offline: bool = False  # happened while the station had no link
    connector_id: int = 0  # 0: the event does not say; the transaction's own
    evse_id: int | None = None
    id_tag: str | None = None
    token_kind: TokenKind | None = None
    refused: str | None = None
    charging_state: ConnectorState | None = None
    remote_start_id: int | None = None


class Measured(_Fact, frozen=True, kw_only=True):
    """MeterValues, transactionData, or an MQTT device's message. `source` is `ocpp` or `mqtt`."""

    connector_id: int
    transaction_id: str | None = None
    readings: tuple[Reading, ...]
    source: str = "ocpp"


class VendorMessage(_Fact, frozen=True, kw_only=True):
    """DataTransfer."""

    vendor_id: str
    message_id: str | None = None
    data: str | None = None


class VehicleIdentified(_Fact, frozen=True, kw_only=True):
    """A vehicle that is plugged in says what it is, apart from any transaction. `connector_id` 0: not said."""

    connector_id: int = 0
    id_tag: str
    token_kind: TokenKind = TokenKind.PLATE


class FirmwareReported(_Fact, frozen=True, kw_only=True):
    """FirmwareStatusNotification, SignedFirmwareStatusNotification, or PublishFirmwareStatusNotification."""

    status: str


class DiagnosticsReported(_Fact, frozen=True, kw_only=True):
    """DiagnosticsStatusNotification, or LogStatusNotification."""

    status: str


class SecurityEventReported(_Fact, frozen=True, kw_only=True):
    """SecurityEventNotification."""

    event: str
    info: str | None = None


class EventReported(_Fact, frozen=True, kw_only=True):
    """One event of NotifyEvent (OCPP 2.x): a monitored variable, or a fault, says something."""

    component: str
    variable: str
    connector_id: int = 0
    evse_id: int | None = None
    event_id: int | None = None
    trigger: str = ""  # Alerting, Delta, Periodic
    value: str = ""
    cleared: bool = False
    tech_code: str | None = None
    tech_info: str | None = None
    severity: int | None = None  # OCPP 2.1: 0 danger .. 9 debug
    transaction_id: str | None = None
    mrec: tuple[str, ...] = ()  # ChargeX codes found in techCode or techInfo


class VariableReported(_Fact, frozen=True, kw_only=True):
    """One attribute of a variable of the device model (OCPP 2.x), or a configuration key of OCPP 1.6, which has no
    component: from NotifyReport, or from an answer to a call of ours."""

    component: str  # "" for a key of OCPP 1.6
    variable: str
    component_instance: str | None = None
    variable_instance: str | None = None
    evse_id: int | None = None
    connector_id: int = 0
    attribute: str = "Actual"  # Actual, Target, MinSet, MaxSet
    value: str | None = None  # None: write-only, or a secret
    mutability: str | None = "ReadWrite"  # None: not said
    unit: str | None = None


class ChargingLimitReported(_Fact, frozen=True, kw_only=True):
    """NotifyChargingLimit, or ClearedChargingLimit (`cleared`): somebody else limits the station."""

    source: str  # EMS, SO, CSO, Other
    connector_id: int = 0
    evse_id: int | None = None
    cleared: bool = False
    grid_critical: bool | None = None


class VehicleNeedsReported(_Fact, frozen=True, kw_only=True):
    """NotifyEVChargingNeeds: what an ISO 15118 vehicle asks for."""

    connector_id: int
    evse_id: int
    transfer: str  # DC, AC_three_phase...
    energy_wh: int | None = None
    departure_at: datetime | None = None
    soc_pct: float | None = None


class ReservationReported(_Fact, frozen=True, kw_only=True):
    """ReservationStatusUpdate (OCPP 2.x)."""

    reservation_id: int
    status: str  # Expired, Removed, NoTransaction


class CommandSent(_Fact, frozen=True, kw_only=True):
    """A CALL of ours is on its way to the station, or (in a recorded log) one of another central system."""

    command_id: str  # the unique id of the CALL
    action: str
    actor: str = ""  # who asked; "" where that is not known
    request: str = ""  # the payload for people: JSON without secrets and tokens, cut where it is long


class CommandAnswered(_Fact, frozen=True, kw_only=True):
    """What became of a CommandSent: the station's answer, or that none came."""

    command_id: str
    action: str
    status: CommandStatus
    actor: str = ""
    said: str = ""  # the answer for people, as `request` is; of a CALLERROR its code and description
    late: bool = False  # came after its time was over


class RemoteStartAsked(_Fact, frozen=True, kw_only=True):
    """Beside a CommandSent: RemoteStartTransaction (1.6) or RequestStartTransaction (2.x)."""

    command_id: str
    id_tag: str
    connector_id: int = 0  # 0: the command does not say
    remote_start_id: int | None = None  # OCPP 2.x; the transaction's events name it


class QuarantineReason(StrEnum):
    """Why something was set aside instead of used. It is kept whole and shown."""

    MALFORMED_FRAME = "malformed_frame"  # not JSON, or not an OCPP-J frame
    UNKNOWN_ACTION = "unknown_action"  # an action that the protocol version does not have
    UNSUPPORTED_ACTION = "unsupported_action"  # a real action that this version of Laddvakt does not read
    UNSUPPORTED_PROTOCOL = "unsupported_protocol"  # a protocol version that this version does not read
    INVALID_PAYLOAD = "invalid_payload"  # the official schema refuses it
    REFUSED_REPLY = "refused_reply"  # a station says that it cannot use our reply (CALLRESULTERROR of OCPP 2.1)
    UNREADABLE_VALUE = "unreadable_value"  # a sampled value that is not a number
    UNKNOWN_TRANSACTION = "unknown_transaction"  # a stop or values of a transaction never seen
    UNANSWERED_START = "unanswered_start"  # seen through the tap: its central system gave it no transaction id
    UNKNOWN_STATION = "unknown_station"  # a station or device that no network file names
    BAD_MQTT_PAYLOAD = "bad_mqtt_payload"  # an MQTT message that cannot be read
    INTERNAL_ERROR = "internal_error"  # our own failure while reading; a bug to report


class Quarantined(_Fact, frozen=True, kw_only=True):
    """A message, or a part of one, that was set aside."""

    reason: QuarantineReason
    detail: str


class NonConforming(_Fact, frozen=True, kw_only=True):
    """A message that was used although it breaks the specification; counted per station."""

    detail: str


class NotObserved(_Fact, frozen=True, kw_only=True):
    """Messages of a station passed through the tap without being kept, from `at` on."""

    reason: str
    until: datetime | None = None  # None: until the station connects anew
    messages: int | None = None  # None: nobody knows


Fact = (
    LinkUp
    | LinkDown
    | Booted
    | StatusReported
    | TokenPresented
    | TransactionStarted
    | TransactionStopped
    | TransactionReported
    | Measured
    | VendorMessage
    | VehicleIdentified
    | FirmwareReported
    | DiagnosticsReported
    | SecurityEventReported
    | EventReported
    | VariableReported
    | ChargingLimitReported
    | VehicleNeedsReported
    | ReservationReported
    | CommandSent
    | CommandAnswered
    | RemoteStartAsked
    | Quarantined
    | NonConforming
    | NotObserved
)
