"""Which side may call which action: the tables of messages of OCPP 1.6 (sections 4 and 5), its security extension,
2.0.1 part 2 and 2.1 part 2. What a version has and a station may not call is the central system's to call."""

from __future__ import annotations

from collector.ocpp import schemas

_BOTH = frozenset({"DataTransfer"})

_STATION_1_6 = _BOTH | {
    "Authorize",
    "BootNotification",
    "DiagnosticsStatusNotification",
    "FirmwareStatusNotification",
    "Heartbeat",
    "MeterValues",
    "StartTransaction",
    "StatusNotification",
    "StopTransaction",
    # security extension
    "LogStatusNotification",
    "SecurityEventNotification",
    "SignCertificate",
    "SignedFirmwareStatusNotification",
}
_STATION_2_0_1 = _BOTH | {
    "Authorize",
    "BootNotification",
    "ClearedChargingLimit",
    "FirmwareStatusNotification",
    "Get15118EVCertificate",
    "GetCertificateStatus",
    "Heartbeat",
    "LogStatusNotification",
    "MeterValues",
    "NotifyChargingLimit",
    "NotifyCustomerInformation",
    "NotifyDisplayMessages",
    "NotifyEVChargingNeeds",
    "NotifyEVChargingSchedule",
    "NotifyEvent",
    "NotifyMonitoringReport",
    "NotifyReport",
    "PublishFirmwareStatusNotification",
    "ReportChargingProfiles",
    "ReservationStatusUpdate",
    "SecurityEventNotification",
    "SignCertificate",
    "StatusNotification",
    "TransactionEvent",
}
_STATION_2_1 = _STATION_2_0_1 | {
    "BatterySwap",
    "ClosePeriodicEventStream",
    "GetCertificateChainStatus",
    "NotifyDERAlarm",
    "NotifyDERStartStop",
    "NotifyPeriodicEventStream",
    "NotifyPriorityCharging",
    "NotifySettlement",
    "OpenPeriodicEventStream",
    "PullDynamicScheduleUpdate",
    "ReportDERControl",
    "VatNumberValidation",
}

FROM_STATION: dict[str, frozenset[str]] = {
    "ocpp1.6": _STATION_1_6,
    "ocpp2.0.1": _STATION_2_0_1,
    "ocpp2.1": _STATION_2_1,
}
"""Protocol version -> what a station may call."""

FROM_CENTRAL_SYSTEM: dict[str, frozenset[str]] = {
    protocol: schemas.actions(protocol) - actions | _BOTH for protocol, actions in FROM_STATION.items()
}
"""Protocol version -> what the central system may call."""
