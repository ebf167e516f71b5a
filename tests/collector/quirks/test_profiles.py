"""Quirk profiles: each on the messages of its public source, and none on anybody else's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from collector.ocpp.action import Policy
from collector.ocpp.quirks import PROFILES, profile_of
from laddvakt.domain.facts import Measured, TransactionStarted
from laddvakt.domain.readings import Reading
from laddvakt.domain.sessions import Quality
from tests.support.recording import Desk
from tests.support.stations import Speaker, at, stamp

TERRA = {
    "chargePointVendor": "ABB",
    "chargePointModel": "CDT_TACW22::NET_WIFI",
    "firmwareVersion": "TAC3Z9119006710273::V1.8.21",
}
THOR = {
    "chargePointVendor": "Growatt",
    "chargePointModel": "THOR_11AS",
    "firmwareVersion": "THOR_11AS-V5.2.4-20230307-NOVO",
}


def values_of(station: Speaker) -> list[Reading]:
    facts = [fact for fact in station.said[-1].facts if isinstance(fact, Measured)]
    return [reading for fact in facts for reading in fact.readings]


@pytest.mark.parametrize("profile", PROFILES, ids=lambda profile: profile.name)
def test_every_profile_is_a_file_and_names_its_source(profile: Any) -> None:
    assert profile.source.startswith("https://")
    assert (Path("collector/ocpp/quirks") / f"{profile.name}.py").exists()


@pytest.mark.parametrize(
    ("vendor", "model", "name"),
    [
        ("ABB", "CDT_TACW22::NET_WIFI", "abb_terra_ac"),
        ("ABB", "MD_TERRA_53", None),
        ("Growatt", "THOR_11AS", "growatt_thor"),
        ("Injet", "Sonic", "injet_sonic"),
        ("Keba AG", "KC-P30-ESS400C2-E0R", "keba_p30"),
        ("Acme", "One", None),
    ],
)
def test_profile_is_chosen_by_what_the_station_says_it_is(vendor: str, model: str, name: str | None) -> None:
    profile = profile_of(vendor, model, "1.0")
    assert (profile.name if profile else None) == name


def test_station_that_connects_without_a_boot_keeps_its_profile() -> None:
    station = Speaker(policy=Policy(vendor="ABB", model="CDT_TACW22::NET_WIFI"))
    assert station.link.profile is not None
    assert Speaker().link.profile is None


def test_abb_terra_ac_keeps_its_lifetime_out_of_the_session(desk: Desk) -> None:
    station = Speaker()
    station.call("BootNotification", TERRA)
    number = station.start(0, meter=0)
    for second, session_wh, lifetime_wh in ((60, 180, 4_076_180), (120, 360, 4_076_360)):
        station.energy(number, session_wh, second)
        station.energy(None, lifetime_wh, second + 5)
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (360, Quality.CONFIRMED)
    assert desk.session.readings_ignored == 0


def test_growatt_thor_stamps_local_time() -> None:
    station = Speaker(policy=Policy(timezone="Europe/Stockholm"))
    station.call("BootNotification", THOR)
    start = {"connectorId": 1, "idTag": "evcc", "meterStart": 0, "reservationId": 0}
    station.call("StartTransaction", {**start, "timestamp": "2026-11-21T11:00:00"}, 30)
    fact = station.said[-1].facts[0]
    assert isinstance(fact, TransactionStarted)
    assert fact.at == at(0)
    for text in ("2026-11-21T11:00:00+01:00", "2026-11-21T11:00:00"):
        entry = {"timestamp": text, "sampledValue": [{"value": "18"}]}
        station.call("MeterValues", {"connectorId": 1, "meterValue": [entry]}, 30)
        assert [reading.at for reading in values_of(station)] == [at(0)]


def test_growatt_thor_of_another_maker_is_in_utc() -> None:
    station = Speaker(policy=Policy(timezone="Europe/Stockholm"))
    station.boot()
    entry = {"timestamp": "2026-11-21T10:00:00", "sampledValue": [{"value": "18"}]}
    station.call("MeterValues", {"connectorId": 1, "meterValue": [entry]}, 30)
    assert [reading.at for reading in values_of(station)] == [at(0)]


def test_injet_sonic_has_its_current_on_l1() -> None:
    station = Speaker(policy=Policy(vendor="Injet", model="Sonic"))
    samples = [
        {"measurand": "Voltage", "phase": "L1-N", "unit": "V", "value": "231.1"},
        {"measurand": "Current.Import", "phase": "N", "unit": "A", "value": "15.6"},
    ]
    station.call(
        "MeterValues", {"connectorId": 1, "meterValue": [{"timestamp": stamp(0), "sampledValue": samples}]}
    )
    assert [reading.field for reading in values_of(station)] == ["voltage_l1_v", "current_l1_a"]


def test_keba_p30_signs_its_register_in_kwh(desk: Desk) -> None:
    station = Speaker(policy=Policy(vendor="Keba AG", model="KC-P30"), protocol="ocpp2.0.1")
    signed = {
        "signedMeterValue": {
            "signedMeterData": "T0NNRg==",
            "signingMethod": "",
            "encodingMethod": "OCMF",
            "publicKey": "",
        }
    }

    def event(kind: str, number: int, seconds: float, *samples: dict[str, Any]) -> dict[str, Any]:
        return {
            "eventType": kind,
            "timestamp": stamp(seconds),
            "triggerReason": "Authorized",
            "seqNo": number,
            "transactionInfo": {"transactionId": "T-1"},
            "evse": {"id": 1, "connectorId": 1},
            "meterValue": [{"timestamp": stamp(seconds), "sampledValue": list(samples)}],
        }

    begin = {"value": 2114135.6, "context": "Transaction.Begin"}
    end = {"value": 2133854.3, "context": "Transaction.End"}
    station.call("TransactionEvent", event("Started", 0, 0, begin))
    over = event("Ended", 1, 23_400, end, {"value": 2133.8543, "context": "Transaction.End", **signed})
    assert station.call("TransactionEvent", over, 23_400)[0] == 3
    assert [reading.value for reading in values_of(station)] == [2133854.3, pytest.approx(2133854.3)]
    desk.record(station)
    assert (desk.session.energy_wh, desk.session.quality) == (19_718, Quality.CONFIRMED)
