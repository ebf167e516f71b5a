"""One file per OCPP action, all versions of it. To add one: write its file, add it to the table here."""

from __future__ import annotations

from collector.ocpp.action import Action
from collector.ocpp.actions import (
    authorize,
    boot_notification,
    cleared_charging_limit,
    data_transfer,
    diagnostics_status_notification,
    firmware_status_notification,
    heartbeat,
    log_status_notification,
    meter_values,
    notify_charging_limit,
    notify_customer_information,
    notify_ev_charging_needs,
    notify_event,
    notify_monitoring_report,
    notify_report,
    report_charging_profiles,
    reservation_status_update,
    security_event_notification,
    sign_certificate,
    signed_firmware_status_notification,
    start_transaction,
    status_notification,
    stop_transaction,
    transaction_event,
)

ACTIONS: dict[str, Action] = {
    module.ACTION.name: module.ACTION
    for module in (
        authorize,
        boot_notification,
        cleared_charging_limit,
        data_transfer,
        diagnostics_status_notification,
        firmware_status_notification,
        heartbeat,
        log_status_notification,
        meter_values,
        notify_charging_limit,
        notify_customer_information,
        notify_ev_charging_needs,
        notify_event,
        notify_monitoring_report,
        notify_report,
        report_charging_profiles,
        reservation_status_update,
        security_event_notification,
        sign_certificate,
        signed_firmware_status_notification,
        start_transaction,
        status_notification,
        stop_transaction,
        transaction_event,
    )
}
