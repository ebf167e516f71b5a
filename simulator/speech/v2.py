"""OCPP 2.0.1 and 2.1: TransactionEvents, numbered by the station, say everything of a transaction. A connector is
Available or Occupied; what the vehicle does is the transaction's charging state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from laddvakt.domain.stations import ConnectorState
from simulator import messages
from simulator.firmware import Fault
from simulator.outbox import Transaction
from simulator.spec import StationSpec
from simulator.speech.base import Message, Payload

if TYPE_CHECKING:
    from simulator.bay import Bay

_OCCUPIED = "Occupied"
_STATUSES = {
    ConnectorState.AVAILABLE: "Available",
    ConnectorState.RESERVED: "Reserved",
    ConnectorState.UNAVAILABLE: "Unavailable",
    ConnectorState.FAULTED: "Faulted",
}
_CHARGING_STATES = {
    ConnectorState.CHARGING: "Charging",
    ConnectorState.SUSPENDED_EV: "SuspendedEV",
    ConnectorState.SUSPENDED_EVSE: "SuspendedEVSE",
}
_EV_GONE = "EVDisconnected"
# reason of OCPP 1.6 -> (stoppedReason, triggerReason), 2.0.1 part 2 sections 3.90 and 3.103
_REASONS = {
    "Local": ("Local", "StopAuthorized"),
    "Remote": ("Remote", "RemoteStop"),
    _EV_GONE: (_EV_GONE, "EVCommunicationLost"),
    "DeAuthorized": ("DeAuthorized", "Deauthorized"),
    "PowerLoss": ("PowerLoss", "AbnormalCondition"),
    "UnlockCommand": ("Other", "UnlockCommand"),
    "EmergencyStop": ("EmergencyStop", "AbnormalCondition"),
    "HardReset": ("ImmediateReset", "ResetCommand"),
    "SoftReset": ("Reboot", "ResetCommand"),
}
_SEVERE = 3  # NotifyEvent severity: an error that needs somebody (2.0.1 part 2 N07)


class Speech2:
    def __init__(self, protocol: str) -> None:
        self.protocol = protocol

    def boot(self, spec: StationSpec, reason: str) -> Message:
        """BootNotificationRequest (2.0.1 part 2 B01)."""
        told = messages.boot(spec)
        station = {
            "model": told["chargePointModel"],
            "vendorName": told["chargePointVendor"],
            "serialNumber": told["chargePointSerialNumber"],
            "firmwareVersion": told["firmwareVersion"],
        }
        return Message("BootNotification", {"reason": reason, "chargingStation": station})

    def whole_station(self, now_s: float) -> Message | None:
        """2.x knows no status of the whole station."""
        return None

    def status(self, bay: Bay, now_s: float) -> list[Message]:
        """StatusNotificationRequest (G01), and for a fault a NotifyEventRequest with its code (N07)."""
        request = {
            "timestamp": messages.timestamp(now_s),
            "connectorStatus": _STATUSES.get(bay.status, _OCCUPIED),
            "evseId": bay.connector_id,
            "connectorId": 1,
        }
        told = [Message("StatusNotification", request)]
        return [self._event(bay, bay.trouble, now_s), *told] if bay.trouble else told

    def cleared(self, bay: Bay, fault: Fault, now_s: float) -> list[Message]:
        """The same event, and that it is over (N07)."""
        return [self._event(bay, fault, now_s, cleared=True)]

    def _event(self, bay: Bay, fault: Fault, now_s: float, *, cleared: bool = False) -> Message:
        bay.events += 1
        event: dict[str, Any] = {
            "eventId": bay.events,
            "timestamp": messages.timestamp(now_s),
            "trigger": "Alerting",
            "actualValue": "false" if cleared else "true",
            "techCode": fault.vendor_error_code or fault.error_code,
            "techInfo": fault.info or fault.error_code,
            "eventNotificationType": "HardWiredNotification",
            "component": {"name": "Connector", "evse": {"id": bay.connector_id, "connectorId": 1}},
            "variable": {"name": "Problem"},
        }
        if cleared:
            event["cleared"] = True
        if self.protocol == "ocpp2.1":
            event["severity"] = _SEVERE
        return Message("NotifyEvent", {"generatedAt": messages.timestamp(now_s), "seqNo": 0, "eventData": [event]})

    def charging_state(self, bay: Bay, transaction: Transaction, now_s: float) -> Message | None:
        return self._transaction(bay, transaction, "Updated", "ChargingStateChanged", now_s)

    def authorize(self, id_tag: str) -> Message:
        return Message("Authorize", {"idToken": _id_token(id_tag)})

    def accepted(self, reply: Payload) -> bool:
        info = reply.get("idTokenInfo")
        return not isinstance(info, dict) or bool(info.get("status", "Accepted") == "Accepted")

    def start(self, bay: Bay, transaction: Transaction, now_s: float) -> Message:
        message = self._transaction(bay, transaction, "Started", "Authorized", now_s)
        message.payload["idToken"] = _id_token(transaction.id_tag, card=transaction.card)
        if transaction.remote_start_id is not None:
            message.payload["triggerReason"] = "RemoteStart"
            message.payload["transactionInfo"]["remoteStartId"] = transaction.remote_start_id
        message.payload["meterValue"] = [_in_2x(transaction.begin_value)] if transaction.begin_value else []
        return message

    def started(self, transaction: Transaction, reply: Payload) -> None:
        """The station has named its transaction itself."""

    def values(self, bay: Bay, transaction: Transaction | None, context: str, now_s: float) -> Message:
        warmth = bay.desk.cabinet.temperature_c
        value = _in_2x(messages.meter_value(bay.circuit, bay.desk.dialect, now_s, context, cabinet_c=warmth))
        if transaction is None:
            return Message("MeterValues", {"evseId": bay.connector_id, "meterValue": [value]})
        trigger = "MeterValuePeriodic" if context == "Sample.Periodic" else "Trigger"
        message = self._transaction(bay, transaction, "Updated", trigger, now_s)
        message.payload["meterValue"] = [value]
        return message

    def warmth(self, bay: Bay, now_s: float) -> list[Message]:
        """A monitored Temperature of the connector and of the inside (2.0.1 part 2 N08, appendix 3.1)."""
        plug = {"name": "Connector", "evse": {"id": bay.connector_id, "connectorId": 1}}
        told = ((plug, bay.circuit.sensed_plug_c), ({"name": "TemperatureSensor"}, bay.desk.cabinet.temperature_c))
        at = messages.timestamp(now_s)
        events = []
        for component, celsius in told:
            bay.events += 1
            event = {
                "eventId": bay.events,
                "timestamp": at,
                "trigger": "Periodic",
                "actualValue": f"{celsius:.1f}",
                "eventNotificationType": "CustomMonitor",
                "component": component,
                "variable": {"name": "Temperature"},
            }
            events.append(event)
        return [Message("NotifyEvent", {"generatedAt": at, "seqNo": 0, "eventData": events})]

    def stop(self, bay: Bay, transaction: Transaction, reason: str, now_s: float) -> Message:
        stopped, trigger = _REASONS.get(reason, ("Other", "AbnormalCondition"))
        message = self._transaction(bay, transaction, "Ended", trigger, now_s)
        message.payload["transactionInfo"] |= {"chargingState": "EVConnected", "stoppedReason": stopped}
        if reason == "Local":
            message.payload["idToken"] = _id_token(transaction.id_tag, card=transaction.card)
        end = _in_2x(messages.edge_value(bay.circuit, bay.desk.dialect, now_s, "Transaction.End"))
        begin = [_in_2x(transaction.begin_value)] if transaction.begin_value else []
        message.payload["meterValue"] = [*begin, end] if bay.desk.dialect.transaction_data else [end]
        return message

    def firmware(self, status: str, request: int) -> Message:
        return Message("FirmwareStatusNotification", {"status": status, "requestId": request})

    def _transaction(self, bay: Bay, transaction: Transaction, event: str, trigger: str, now_s: float) -> Message:
        """TransactionEventRequest (E01..E12); `offline` says that it happened without a link."""
        info: Payload = {
            "transactionId": transaction.name,
            "chargingState": _CHARGING_STATES.get(bay.status, "Charging" if event == "Started" else "EVConnected"),
        }
        payload: Payload = {
            "eventType": event,
            "timestamp": messages.timestamp(now_s),
            "triggerReason": trigger,
            "seqNo": transaction.seq_no,
            "offline": not bay.desk.online,
            "transactionInfo": info,
            "evse": {"id": bay.connector_id, "connectorId": 1},
        }
        transaction.seq_no += 1
        return Message("TransactionEvent", payload, kept=True)


def _id_token(id_tag: str, *, card: bool = False) -> Payload:
    """IdTokenType; of a payment at the station's terminal DirectPayment (2.1 part 2 C24)."""
    return {"idToken": id_tag, "type": "DirectPayment" if card else "ISO14443"}


def _in_2x(value: Payload) -> Payload:
    """A MeterValue of 1.6 in the words of 2.x: numbers are numbers, the unit is an object, and temperature is no
    measurand any more (it is a variable of a component)."""
    samples = [_sample(one) for one in value["sampledValue"] if one["measurand"] != "Temperature"]
    return {"timestamp": value["timestamp"], "sampledValue": samples}


def _sample(sample: Payload) -> Payload:
    told = sample.copy()
    unit = told.pop("unit", None)
    told["value"] = float(told["value"])
    if unit is not None:
        told["unitOfMeasure"] = {"unit": unit}
    return told
