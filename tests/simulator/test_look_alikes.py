"""What looks like a fault: each begins, shows what it is taken for, keeps to the specification, and ends."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable
from typing import Any

import msgspec
import pytest

from simulator.defects import Defects, Flaws
from simulator.drivers import Habits
from simulator.faults import KINDS, FaultPlan
from simulator.faults.schedule import spread_faults
from simulator.log import line_bytes
from simulator.lookalikes import LOOK_ALIKES
from simulator.lookalikes.schedule import lay_look_alikes, like_record
from simulator.spec import StationSpec, make_specs, with_devices
from simulator.world import DEFAULT_START_S, Line, LogOptions, World
from tests.support.central import schema, schema_2x

START_S = DEFAULT_START_S + 6 * 3600
SPECS = with_devices(make_specs(10), 1.0, 1)
HOURS = 9.0
BUSY = Habits(brisk=False, busy_at_start=0.5, arrivals_per_day=40, session_s=(300, 2400))


def plan_of(
    code: str, *, strength: float = 0.7, detail: str | None = None, protocol: str = "ocpp1.6"
) -> FaultPlan:
    """On the first station that can have it, from the first hour on, for seven at most."""
    kind = LOOK_ALIKES[code]
    spec = next(one for one in spoken(protocol) if kind.fits(one))
    since_s = START_S if kind.whole_run else START_S + 3600
    length_s = min(kind.lasts_s, 7 * 3600)
    made = kind.plan(spec, random.Random(1), since_s, since_s + length_s)
    also = tuple(one.station_id for one in SPECS if one is not spec and one.site_id == spec.site_id)
    wide = made.asset.kind == "site" or kind.everywhere
    made = msgspec.structs.replace(made, strength=strength, also=also[:2] if wide else ())
    return made if detail is None else msgspec.structs.replace(made, detail=detail)


def spoken(protocol: str) -> tuple[StationSpec, ...]:
    return tuple(msgspec.structs.replace(spec, protocol=protocol) for spec in SPECS)


class Day:
    """A busy day of the stations that one look-alike befalls."""

    def __init__(self, code: str, *, hours: float = HOURS, protocol: str = "ocpp1.6", **options: Any) -> None:
        self.plan = plan_of(code, protocol=protocol, **options)
        specs = tuple(spec for spec in spoken(protocol) if spec.station_id in self.plan.stations)
        self.world = World(
            LogOptions(
                specs=specs,
                seed=3,
                days=hours / 24,
                start_s=START_S,
                mqtt_share=1.0,
                plans=(),
                likes=(self.plan,),
                drops_per_day=0,
                habits=BUSY,
                mqtt_interval_s=300,
            )
        )
        self.lines = list(self.world.lines())
        self.stations = {link.station_id: link.station for link in self.world._links}
        self.station = self.stations[self.plan.station_id]

    def calls(
        self, *actions: str, direction: str = "in", meanwhile: bool = True
    ) -> list[tuple[Line, dict[str, Any]]]:
        """Requests of the station at which it was laid."""
        return [
            (line, line.frame[3])
            for line in self.lines
            if line.frame and line.frame[0] == 2 and line.direction == direction and line.frame[2] in actions
            if line.station_id == self.plan.station_id and (self.during(line.received_s) or not meanwhile)
        ]

    def during(self, at_s: float) -> bool:
        return self.plan.since_s <= at_s < (self.plan.until_s or math.inf)

    def values(self, measurand: str, *, location: str = "", connector: int | None = None) -> list[float]:
        """What the station's readings said meanwhile, in base units."""
        return [
            float(one["value"]) * (1000 if one.get("unit", "").startswith("k") else 1)
            for _, payload in self.calls("MeterValues")
            if connector in (None, payload["connectorId"])
            for value in payload["meterValue"]
            for one in value["sampledValue"]
            if one["measurand"] == measurand and location in (one.get("location", ""), "")
        ]

    def statuses(self) -> list[tuple[str, str]]:
        return [(payload["status"], payload["errorCode"]) for _, payload in self.calls("StatusNotification")]

    def told(self, name: str, kind: str = "telemetry") -> list[Any]:
        """A field of the devices' messages of one kind; None where it was missing."""
        return [
            line.payload.get(name)
            for line in self.lines
            if line.payload is not None and self.during(line.received_s)
            if f"/{self.plan.station_id}/" in line.topic and line.topic.endswith(kind)
        ]


Shows = Callable[[Day], object]


def codes(day: Day) -> set[str]:
    return {payload.get("vendorErrorCode", "") for _, payload in day.calls("StatusNotification")}


def asked(day: Day, action: str) -> int:
    return len(day.calls(action, direction="out"))


def connections(day: Day) -> int:
    here = [line for line in day.lines if line.kind == "connected" and line.station_id == day.plan.station_id]
    return sum(day.during(line.received_s) for line in here)


def falls(values: Iterable[float]) -> int:
    return sum(later < earlier for earlier, later in itertools.pairwise(values))


def spread(values: list[float]) -> float:
    return max(values) - min(values)


def longest_s(day: Day, *statuses: str) -> float:
    """The longest stay in one of these statuses."""
    told = day.calls("StatusNotification")
    stays = [(one[1]["status"], two[0].received_s - one[0].received_s) for one, two in itertools.pairwise(told)]
    return max(stay for status, stay in stays if status in statuses)


def registers(day: Day) -> list[float]:
    return day.values("Energy.Active.Import.Register", connector=1)


def delays_s(day: Day, *actions: str) -> list[float]:
    from laddvakt.domain.times import parse_time

    found = []
    for line, payload in day.calls(*actions):
        value = payload.get("meterValue") or payload.get("transactionData") or [payload]
        at = parse_time(value[-1]["timestamp"])
        assert at is not None
        found.append(line.received_s - at.timestamp())
    return found


def phases_in_use(day: Day) -> set[int]:
    found = set()
    for _, payload in day.calls("MeterValues"):
        amps = [
            float(one["value"])
            for one in payload["meterValue"][0]["sampledValue"]
            if one["measurand"] == "Current.Import"
        ]
        found.add(sum(a > 1 for a in amps))
    return found


SHOWN: dict[str, Shows] = {
    "finishing_error": lambda day: (
        {code for status, code in day.statuses() if status == "Finishing"} - {"NoError"}
    ),
    "ev_communication": lambda day: "EVCommunicationError" in {code for _, code in day.statuses()},
    "planned_maintenance": lambda day: (
        asked(day, "ChangeAvailability") == 2 and ("Unavailable", "NoError") in day.statuses()
    ),
    "own_outage": lambda day: not day.calls("Heartbeat", "StatusNotification", "MeterValues"),
    "own_restart": lambda day: connections(day) >= 6,
    "firmware_update": lambda day: (
        len(day.calls("BootNotification")) == 5 and len(day.calls("FirmwareStatusNotification")) >= 3
    ),
    "no_ambient": lambda day: set(day.told("ambient_temperature_c")) == {None},
    "sensor_open": lambda day: min(day.told("plug_temperature_c", "1/meter")) == -50,
    "sensor_short": lambda day: max(day.told("plug_temperature_c", "1/meter")) > 200,
    "sensor_loose": lambda day: max(day.told("plug_temperature_c", "1/meter")) > 55,
    "grid_drift": lambda day: spread(day.told("voltage_l1_v", "1/meter")) > 10,
    "one_phase_cars": lambda day: 1 in phases_in_use(day),
    "two_phase_cars": lambda day: 2 in phases_in_use(day),
    "phase_switching": lambda day: asked(day, "SetChargingProfile") > 5 and {1, 3} <= phases_in_use(day),
    "taper": lambda day: min(value for value in day.values("Current.Import") if value > 0.2) < 2,
    "lag_after_profile": lambda day: asked(day, "SetChargingProfile") > 25,
    "late_status": lambda day: max(delays_s(day, "StatusNotification")) > 60,
    "own_consumption": lambda day: min(day.told("power_w", "1/meter")) > 50,
    "offline_replay": lambda day: connections(day) >= 2,
    "vehicle_pause": lambda day: 0.0 in day.values("Current.Import"),
    "full_battery": lambda day: ("SuspendedEV", "NoError") in day.statuses(),
    "departure_schedule": lambda day: ("SuspendedEV", "NoError") in day.statuses(),
    "load_schedule": lambda day: ("SuspendedEVSE", "NoError") in day.statuses(),
    "vehicle_isolation": lambda day: "CX011" in codes(day),
    "leaky_vehicle": lambda day: "CX002" in codes(day),
    "clumsy_driver": lambda day: "CX020" in codes(day),
    "power_cut": lambda day: not day.calls("Heartbeat", "MeterValues"),
    "cable_tension": lambda day: "CX001" in codes(day),
    "coarse_register": lambda day: {value % 1000 for value in registers(day)} == {0},
    "zero_reading": lambda day: falls(registers(day)) == registers(day).count(0.0) > 0,
    "session_register": lambda day: {payload["meterStart"] for _, payload in day.calls("StartTransaction")} == {0},
    "out_of_order": lambda day: falls(registers(day)) > 2,
    "meter_gap": lambda day: len(day.calls("MeterValues")) < 0.7 * 120 * 7,
    "backlog_upload": lambda day: max(delays_s(day, "MeterValues")) > 1500,
    "sparse_samples": lambda day: day.station.dialect.interval_s < 900,
    "phase_sum": lambda day: max(day.values("Current.Import")) > 32,
    "unit_error": lambda day: 1 < max(day.values("Power.Active.Import")) < 25,
    "parked_car": lambda day: longest_s(day, "Preparing", "Finishing") > 1800,
    "smart_pause": lambda day: ("SuspendedEVSE", "NoError") in day.statuses(),
    "campaign": lambda day: asked(day, "RemoteStartTransaction") > len(day.calls("Authorize")),
    "site_cap": lambda day: 0 < max(day.values("Current.Import")) < 24,
    "closed": lambda day: not [a for a in day.calls("Authorize") if a[0].received_s > day.plan.since_s + 60],
    "holiday": lambda day: len(day.calls("Authorize")) < 5,
    "quiet_site": lambda day: len(day.calls("Authorize")) < 5,
}


@pytest.mark.parametrize("code", LOOK_ALIKES)
def test_a_look_alike_shows_what_it_is_taken_for_and_ends(code: str) -> None:
    day = Day(code)
    assert len(day.lines) > 300
    assert SHOWN.get(code, lambda day: True)(day)
    for line in day.lines:
        if line.frame and line.frame[0] == 2:
            schema(line.frame[2]).validate(line.frame[3])
    for station in day.stations.values():
        assert LOOK_ALIKES[code].whole_run or ended(station)


def ended(station: Any) -> bool:
    for bay in station.bays.values():
        sound = msgspec.structs.replace(bay.circuit.defects, register_error_wh=0.0)
        assert sound == Defects()
        assert bay.flaws == Flaws()
        assert (bay.guest, bay.begun, bay.circuit.own_w, bay.circuit.compensated_ohm) == (None, None, 0, 0)
        assert station.profiles.at(bay.connector_id, station.site._air[0] * 5.0) == (math.inf, None)
    site = station.site
    assert (station.garble, station.delay, station.sent_away, station.air_sensor) == (None, None, False, True)
    assert station.meter_interval_s == station.dialect.interval_s
    assert (site.closed, site.quiet, site.offset_k, site.offset_v) == (False, 1.0, 0.0, (0.0, 0.0, 0.0))
    return bool(station.link_wanted and all(bay.operative for bay in station.bays.values()))


@pytest.mark.parametrize(
    "code", ["zero_reading", "session_register", "coarse_register", "phase_sum", "phase_switching", "campaign"]
)
def test_in_the_words_of_the_newer_version(code: str) -> None:
    day = Day(code, protocol="ocpp2.0.1", hours=12)
    for line in day.lines:
        if line.frame and line.frame[0] == 2:
            schema_2x("ocpp2.0.1", f"{line.frame[2]}Request").validate(line.frame[3])


def test_no_terminal_takes_a_card_while_the_bank_is_down() -> None:
    day = Day("acquirer_outage", protocol="ocpp2.1")
    events = [payload for _, payload in day.calls("TransactionEvent") if payload["eventType"] == "Started"]
    tokens = {payload["idToken"]["type"] for payload in events}
    assert tokens
    assert "DirectPayment" not in tokens


def test_one_driver_who_tries_again_is_one_driver() -> None:
    for code in ("one_driver_retrying", "leaky_vehicle"):
        day = Day(code)
        tags = [payload["idTag"] for _, payload in day.calls("Authorize")]
        assert len(set(tags)) > 2
        again = [one for one, other in itertools.pairwise(tags) if one == other]
        assert len(again) >= 2
        assert len(set(again)) == 1


def test_look_alikes_are_seeded_and_lie_where_nothing_else_does() -> None:
    specs = with_devices(make_specs(60), 0.5, 1)
    span = {"from_s": START_S + 86_400, "until_s": START_S + 15 * 86_400}
    likes = lay_look_alikes(specs, seed=2, codes=tuple(LOOK_ALIKES), each=1, start_s=START_S, **span)
    assert likes == lay_look_alikes(specs, seed=2, codes=tuple(LOOK_ALIKES), each=1, start_s=START_S, **span)
    assert {plan.fault for plan in likes} == set(LOOK_ALIKES)
    alone = [plan for plan in likes if not LOOK_ALIKES[plan.fault].everywhere]
    taken = sorted((station, plan.since_s, plan.until_s or 0) for plan in alone for station in plan.stations)
    for (one, _, until_s), (next_one, since_s, _) in itertools.pairwise(taken):
        assert one != next_one or since_s > until_s


def test_the_truth_of_a_log_tells_faults_and_look_alikes_apart() -> None:
    world = World(LogOptions(stations=25, days=2, faults=0.2, look_alikes=0.3, seed=5))
    truth = world.truth()
    assert len(truth["faults"]) > 3
    assert len(truth["look_alikes"]) > 5
    assert {one["look_alike"] for one in truth["look_alikes"]} <= set(LOOK_ALIKES)
    assert not set(LOOK_ALIKES) & set(KINDS)
    same = spread_faults(
        world.specs, seed=5, share_per_day=0.2, from_s=DEFAULT_START_S, until_s=DEFAULT_START_S + 2 * 86_400
    )
    assert world.plans == same


def test_the_same_options_give_the_same_log() -> None:
    options = LogOptions(
        stations=12, days=0.15, faults=2, look_alikes=6, seed=5, protocols=("ocpp1.6", "ocpp2.0.1")
    )
    one, other = World(options), World(options)
    assert len({plan.fault for plan in one.likes}) > 5
    assert [line_bytes(line) for line in one.lines()] == [line_bytes(line) for line in other.lines()]
    assert one.truth() == other.truth()


def test_a_busy_fleet_sees_every_kind() -> None:
    seen = {plan.fault for plan in World(LogOptions(stations=300, days=3, look_alikes=0.15, seed=5)).likes}
    assert seen == set(LOOK_ALIKES)


def test_what_befalls_a_site_names_the_site_and_what_befalls_all_names_none() -> None:
    of_site, of_all, of_one = (like_record(plan_of(code)) for code in ("closed", "own_outage", "taper"))
    assert (of_site["station_id"], bool(of_site["site_id"])) == ("", True)
    assert (of_all["station_id"], of_all["site_id"]) == ("", "")
    assert (bool(of_one["station_id"]), of_one["site_id"], of_one["connector_id"] in (1, 2)) == (True, "", True)
