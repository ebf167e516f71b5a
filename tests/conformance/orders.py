"""The order of keys in replies: as in the specification's examples, and where it has none, as in the official
schema."""

from __future__ import annotations

from typing import Any, NamedTuple


class Order(NamedTuple):
    """`name`: an action, for its reply; or a key of one, for the object below it."""

    name: str
    protocols: tuple[str, ...]
    keys: tuple[str, ...]
    source: str


V16, V201, V21 = ("ocpp1.6",), ("ocpp2.0.1",), ("ocpp2.1",)
V2 = V201 + V21
SCHEMA = "schema"

ORDERS = (
    Order(
        "BootNotification",
        V16,
        ("status", "currentTime", "interval"),
        "OCPP-J 1.6 section 4.2.2, example of a CALLRESULT (where interval is still called heartbeatInterval)",
    ),
    Order(
        "BootNotification",
        V2,
        ("currentTime", "interval", "status", "statusInfo"),
        "2.0.1 and 2.1 part 4 section 4.2.2, example of a CALLRESULT; statusInfo as in the schema",
    ),
    Order("Authorize", V16, ("idTagInfo",), SCHEMA),
    Order("Authorize", V2, ("idTokenInfo", "certificateStatus"), SCHEMA),
    Order("DataTransfer", V16, ("status", "data"), SCHEMA),
    Order("DataTransfer", V2, ("status", "statusInfo", "data"), SCHEMA),
    Order("Get15118EVCertificate", V2, ("status", "statusInfo", "exiResponse"), SCHEMA),
    Order("GetCertificateChainStatus", V21, ("certificateStatus",), SCHEMA),
    Order("GetCertificateStatus", V2, ("status", "statusInfo", "ocspResult"), SCHEMA),
    Order("Heartbeat", V16 + V2, ("currentTime",), SCHEMA),
    Order("NotifyEVChargingNeeds", V2, ("status", "statusInfo"), SCHEMA),
    Order("NotifyEVChargingSchedule", V2, ("status", "statusInfo"), SCHEMA),
    Order("OpenPeriodicEventStream", V21, ("status", "statusInfo"), SCHEMA),
    Order("PullDynamicScheduleUpdate", V21, ("scheduleUpdate", "status", "statusInfo"), SCHEMA),
    Order("SignCertificate", V16, ("status",), SCHEMA),
    Order("SignCertificate", V2, ("status", "statusInfo"), SCHEMA),
    Order("StartTransaction", V16, ("idTagInfo", "transactionId"), SCHEMA),
    Order("StopTransaction", V16, ("idTagInfo",), SCHEMA),
    Order(
        "TransactionEvent", V2, ("totalCost", "chargingPriority", "idTokenInfo", "updatedPersonalMessage"), SCHEMA
    ),
    Order("VatNumberValidation", V21, ("company", "statusInfo", "vatNumber", "evseId", "status"), SCHEMA),
    Order("idTagInfo", V16, ("expiryDate", "parentIdTag", "status"), SCHEMA),
    Order(
        "idTokenInfo",
        V201,
        (
            *("status", "cacheExpiryDateTime", "chargingPriority", "language1", "evseId", "groupIdToken"),
            *("language2", "personalMessage"),
        ),
        SCHEMA,
    ),
    Order(
        "idTokenInfo",
        V21,
        (
            *("status", "cacheExpiryDateTime", "chargingPriority", "groupIdToken", "language1", "language2"),
            *("evseId", "personalMessage"),
        ),
        SCHEMA,
    ),
    Order("groupIdToken", V201, ("additionalInfo", "idToken", "type"), SCHEMA),
    Order("groupIdToken", V21, ("additionalInfo", "idToken", "type"), SCHEMA),
    Order("statusInfo", V2, ("reasonCode", "additionalInfo"), SCHEMA),
    Order("certificateStatus", V21, ("certificateHashData", "source", "status", "nextUpdate"), SCHEMA),
    Order(
        "certificateHashData", V21, ("hashAlgorithm", "issuerNameHash", "issuerKeyHash", "serialNumber"), SCHEMA
    ),
)
_BY_NAME = {(protocol, order.name): order.keys for order in ORDERS for protocol in order.protocols}


def misplaced(protocol: str, name: str, value: Any) -> str | None:
    """What stands in the wrong order in a reply, or in an order that nobody wrote down."""
    if isinstance(value, list):
        return next(filter(None, (misplaced(protocol, name, item) for item in value)), None)
    if not isinstance(value, dict) or not value:
        return None
    expected = _BY_NAME.get((protocol, name), ())
    if list(value) != [key for key in expected if key in value]:
        return f"{protocol} {name}: {list(value)} instead of the order {list(expected)}"
    return next(filter(None, (misplaced(protocol, key, below) for key, below in value.items())), None)
