"""One plain request of every action that a station may call, by protocol version."""

from __future__ import annotations

from typing import Any

from tests.support.stations import stamp

TOKEN = {"idToken": "TAG1", "type": "ISO14443"}
REGISTER: dict[str, Any] = {"timestamp": stamp(0), "sampledValue": [{"value": 12.5}]}
SCHEDULE = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}
PROFILE = {
    "id": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxDefaultProfile",
    "chargingProfileKind": "Absolute",
    "chargingSchedule": [SCHEDULE],
}
EVENT = {
    "eventId": 7,
    "timestamp": stamp(0),
    "trigger": "Alerting",
    "actualValue": "true",
    "techCode": "CX018",
    "component": {"name": "Connector", "evse": {"id": 2, "connectorId": 1}},
    "variable": {"name": "Problem"},
    "eventNotificationType": "HardWiredNotification",
}
VARIABLE = {
    "component": {"name": "OCPPCommCtrlr"},
    "variable": {"name": "HeartbeatInterval"},
    "variableAttribute": [{"value": "60", "mutability": "ReadWrite"}, {"type": "MaxSet", "value": "900"}],
    "variableCharacteristics": {"unit": "s", "dataType": "integer", "supportsMonitoring": False},
}
MONITORING = {"id": 1, "transaction": False, "value": 1, "type": "UpperThreshold", "severity": 3}
MONITOR: dict[str, Any] = {
    "component": {"name": "EVSE"},
    "variable": {"name": "Power"},
    "variableMonitoring": [MONITORING],
}
CERTIFICATE = {"hashAlgorithm": "SHA256", "issuerNameHash": "a1", "issuerKeyHash": "b2", "serialNumber": "01"}
STARTED = {
    "eventType": "Started",
    "timestamp": stamp(0),
    "triggerReason": "Authorized",
    "seqNo": 0,
    "transactionInfo": {"transactionId": "T-1", "chargingState": "Charging", "remoteStartId": 7},
    "evse": {"id": 1, "connectorId": 1},
    "idToken": TOKEN,
    "meterValue": [REGISTER],
}


_V16: dict[str, dict[str, Any]] = {
    "Authorize": {"idTag": "TAG1"},
    "BootNotification": {"chargePointVendor": "Acme", "chargePointModel": "One"},
    "DataTransfer": {"vendorId": "com.acme", "messageId": "x", "data": "y"},
    "DiagnosticsStatusNotification": {"status": "Uploaded"},
    "FirmwareStatusNotification": {"status": "Installed"},
    "Heartbeat": {},
    "LogStatusNotification": {"status": "Uploaded", "requestId": 1},
    "MeterValues": {
        "connectorId": 1,
        "meterValue": [{"timestamp": stamp(0), "sampledValue": [{"value": "12"}]}],
    },
    "SecurityEventNotification": {"type": "SettingSystemTime", "timestamp": stamp(0), "techInfo": "x"},
    "SignCertificate": {"csr": "-----BEGIN CERTIFICATE REQUEST-----"},
    "SignedFirmwareStatusNotification": {"status": "Installed", "requestId": 1},
    "StartTransaction": {"connectorId": 1, "idTag": "TAG1", "meterStart": 0, "timestamp": stamp(0)},
    "StatusNotification": {"connectorId": 1, "errorCode": "NoError", "status": "Available"},
    "StopTransaction": {"transactionId": 5, "meterStop": 10, "timestamp": stamp(0), "idTag": "TAG1"},
}

_V201: dict[str, dict[str, Any]] = {
    "Authorize": {"idToken": TOKEN},
    "BootNotification": {"reason": "PowerUp", "chargingStation": {"model": "One", "vendorName": "Acme"}},
    "ClearedChargingLimit": {"chargingLimitSource": "EMS", "evseId": 1},
    "DataTransfer": {"vendorId": "com.acme", "messageId": "x", "data": {"any": ["thing", 1]}},
    "FirmwareStatusNotification": {"status": "Installed", "requestId": 1},
    "Get15118EVCertificate": {
        "iso15118SchemaVersion": "urn:iso:15118:2:2013:MsgDef",
        "action": "Install",
        "exiRequest": "gJgC",
    },
    "GetCertificateStatus": {"ocspRequestData": {**CERTIFICATE, "responderURL": "http://ocsp.example.com"}},
    "Heartbeat": {},
    "LogStatusNotification": {"status": "Uploaded", "requestId": 1},
    "MeterValues": {"evseId": 1, "meterValue": [REGISTER]},
    "NotifyChargingLimit": {"chargingLimit": {"chargingLimitSource": "SO", "isGridCritical": True}, "evseId": 2},
    "NotifyCustomerInformation": {"data": "x", "seqNo": 0, "generatedAt": stamp(0), "requestId": 1},
    "NotifyDisplayMessages": {
        "requestId": 1,
        "messageInfo": [{"id": 1, "priority": "NormalCycle", "message": {"format": "UTF8", "content": "Hello"}}],
    },
    "NotifyEVChargingNeeds": {"evseId": 1, "chargingNeeds": {"requestedEnergyTransfer": "AC_three_phase"}},
    "NotifyEVChargingSchedule": {"timeBase": stamp(0), "evseId": 1, "chargingSchedule": SCHEDULE},
    "NotifyEvent": {"generatedAt": stamp(0), "seqNo": 0, "eventData": [EVENT]},
    "NotifyMonitoringReport": {"requestId": 1, "seqNo": 0, "generatedAt": stamp(0), "monitor": [MONITOR]},
    "NotifyReport": {"requestId": 1, "seqNo": 0, "generatedAt": stamp(0), "reportData": [VARIABLE]},
    "PublishFirmwareStatusNotification": {"status": "Downloading", "requestId": 1},
    "ReportChargingProfiles": {
        "requestId": 1,
        "chargingLimitSource": "CSO",
        "evseId": 1,
        "chargingProfile": [PROFILE],
    },
    "ReservationStatusUpdate": {"reservationId": 5, "reservationUpdateStatus": "Expired"},
    "SecurityEventNotification": {"type": "SettingSystemTime", "timestamp": stamp(0)},
    "SignCertificate": {"csr": "-----BEGIN CERTIFICATE REQUEST-----"},
    "StatusNotification": {
        "timestamp": stamp(0),
        "connectorStatus": "Available",
        "evseId": 1,
        "connectorId": 1,
    },
    "TransactionEvent": STARTED,
}

_V21: dict[str, dict[str, Any]] = {
    **_V201,
    "BatterySwap": {
        "batteryData": [{"evseId": 1, "serialNumber": "B-1", "soC": 80, "soH": 97}],
        "eventType": "BatteryIn",
        "idToken": TOKEN,
        "requestId": 1,
    },
    "ClosePeriodicEventStream": {"id": 1},
    "GetCertificateChainStatus": {
        "certificateStatusRequests": [
            {"certificateHashData": CERTIFICATE, "source": "OCSP", "urls": ["http://ocsp.example.com"]}
        ]
    },
    "NotifyDERAlarm": {"controlType": "FreqDroop", "gridEventFault": "OverFrequency", "timestamp": stamp(0)},
    "NotifyDERStartStop": {"controlId": "C-1", "started": True, "timestamp": stamp(0)},
    "NotifyMonitoringReport": {
        **_V201["NotifyMonitoringReport"],
        "monitor": [{**MONITOR, "variableMonitoring": [{**MONITORING, "eventNotificationType": "CustomMonitor"}]}],
    },
    "NotifyPeriodicEventStream": {"id": 1, "pending": 0, "basetime": stamp(0), "data": [{"t": 0, "v": "1"}]},
    "NotifyPriorityCharging": {"transactionId": "T-1", "activated": True},
    "NotifySettlement": {
        "pspRef": "P-1",
        "status": "Settled",
        "settlementAmount": 12.5,
        "settlementTime": stamp(0),
    },
    "OpenPeriodicEventStream": {"constantStreamData": {"id": 1, "variableMonitoringId": 1, "params": {}}},
    "PullDynamicScheduleUpdate": {"chargingProfileId": 1},
    "ReportDERControl": {"requestId": 1},
    "VatNumberValidation": {"vatNumber": "SE556036079301", "evseId": 1},
}

HAPPY: dict[str, dict[str, dict[str, Any]]] = {"ocpp1.6": _V16, "ocpp2.0.1": _V201, "ocpp2.1": _V21}
"""Protocol version -> action -> payload."""
