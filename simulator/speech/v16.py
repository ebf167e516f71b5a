"""OCPP 1.6: StartTransaction, MeterValues, StopTransaction; the central system numbers transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulator import messages
from simulator.firmware import Fault
from simulator.outbox import Transaction
from simulator.spec import StationSpec
from simulator.speech.base import Message, Payload

if TYPE_CHECKING:
    from simulator.bay import Bay


class Speech16:
    protocol = "ocpp1.6"

    def boot(self, spec: StationSpec, reason: str) -> Message:
        """BootNotification.req (section 6.3)."""
        return Message("BootNotification", messages.boot(spec))

    def whole_station(self, now_s: float) -> Message | None:
        """connectorId 0 is the station as a whole (section 4.9)."""
        request = {"connectorId": 0, "errorCode": "NoError", "status": "Available"}
        return Message("StatusNotification", request | {"timestamp": messages.timestamp(now_s)})

    def status(self, bay: Bay, now_s: float) -> list[Message]:
        """StatusNotification.req (section 6.47)."""
        request: Payload = {
            "connectorId": bay.connector_id,
            "errorCode": bay.trouble.error_code if bay.trouble else "NoError",
            "status": bay.status.value,
            "timestamp": messages.timestamp(now_s),
        }
        if bay.trouble and bay.trouble.info:
            request["info"] = bay.trouble.info
        if bay.trouble and bay.trouble.vendor_error_code:
            request["vendorId"] = "https://chargex.inl.gov"
            request["vendorErrorCode"] = bay.trouble.vendor_error_code
        return [Message("StatusNotification", request)]

    def cleared(self, bay: Bay, fault: Fault, now_s: float) -> list[Message]:
        """The next status says NoError."""
        return []

    def charging_state(self, bay: Bay, transaction: Transaction, now_s: float) -> Message | None:
        """The status says it."""
        return None

    def authorize(self, id_tag: str) -> Message:
        return Message("Authorize", {"idTag": id_tag})

    def accepted(self, reply: Payload) -> bool:
        info = reply.get("idTagInfo")
        return not isinstance(info, dict) or bool(info.get("status", "Accepted") == "Accepted")

    def start(self, bay: Bay, transaction: Transaction, now_s: float) -> Message:
        """StartTransaction.req (section 6.45)."""
        request = {
            "connectorId": bay.connector_id,
            "idTag": transaction.id_tag,
            "meterStart": transaction.meter_start_wh,
            "timestamp": messages.timestamp(now_s),
        }
        return Message("StartTransaction", request, kept=True)

    def started(self, transaction: Transaction, reply: Payload) -> None:
        number = reply.get("transactionId")
        transaction.id = number if isinstance(number, int) else None

    def values(self, bay: Bay, transaction: Transaction | None, context: str, now_s: float) -> Message:
        """MeterValues.req (section 6.31)."""
        warmth = bay.desk.cabinet.temperature_c
        value = messages.meter_value(bay.circuit, bay.desk.dialect, now_s, context, cabinet_c=warmth)
        request = {"connectorId": bay.connector_id, "meterValue": [value]}
        return Message("MeterValues", request, kept=True, numbered=transaction)

    def warmth(self, bay: Bay, now_s: float) -> list[Message]:
        """The meter values have it."""
        return []

    def stop(self, bay: Bay, transaction: Transaction, reason: str, now_s: float) -> Message:
        """StopTransaction.req (section 6.49)."""
        circuit, dialect = bay.circuit, bay.desk.dialect
        request: Payload = {
            "meterStop": circuit.metered_wh(dialect.register_step_wh),
            "timestamp": messages.timestamp(now_s),
            "reason": reason,
        }
        if reason == "Local":
            request["idTag"] = transaction.id_tag
        if dialect.transaction_data and transaction.begin_value is not None:
            end = messages.edge_value(circuit, dialect, now_s, "Transaction.End")
            request["transactionData"] = [transaction.begin_value, end]
        return Message("StopTransaction", request, kept=True, numbered=transaction)

    def firmware(self, status: str, request: int) -> Message:
        return Message("FirmwareStatusNotification", {"status": status})
