"""One file per OCPP action. To add one: write its file, add it to the table here."""

from __future__ import annotations

from collector.ocpp.action import Action
from collector.ocpp.actions import (
    authorize,
    boot_notification,
    data_transfer,
    diagnostics_status_notification,
    firmware_status_notification,
    heartbeat,
    meter_values,
    start_transaction,
    status_notification,
    stop_transaction,
)

ACTIONS: dict[str, Action] = {
    module.ACTION.name: module.ACTION
    for module in (
        authorize,
        boot_notification,
        data_transfer,
        diagnostics_status_notification,
        firmware_status_notification,
        heartbeat,
        meter_values,
        start_transaction,
        status_notification,
        stop_transaction,
    )
}
