"""What ports.Telemetry promises, on every store."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from laddvakt.stores.ports import Point, Sample, Telemetry

NOON = datetime(2026, 11, 21, 12, 0, 0, 123457, tzinfo=UTC)
DAY = timedelta(days=1)


def point(at: datetime = NOON, station_id: str = "SE-1", connector_id: int = 1, **given: Any) -> Point:
    source = given.pop("source", "ocpp")
    values = given.pop("values", {"power_w": 7360.5})
    return Point(station_id=station_id, connector_id=connector_id, source=source, at=at, values=values)


def read(store: Telemetry, *fields: str, **given: Any) -> dict[str, list[Sample]]:
    asked: dict[str, Any] = {
        "station_id": "SE-1",
        "connector_id": 1,
        "from_": NOON - 9 * DAY,
        "to": NOON + 9 * DAY,
    }
    return store.read(fields=fields or ("power_w",), **(asked | given))


def test_read_gives_back_to_the_microsecond_and_the_bit(telemetry: Telemetry) -> None:
    odd = [0.1 + 0.2, -0.0, 1e300, 5e-324, 123456789012345680.0, 7.0, 1 / 3]
    written = [point(NOON + timedelta(microseconds=n), values={"power_w": value}) for n, value in enumerate(odd)]
    telemetry.write(written)
    found = read(telemetry)["power_w"]
    assert [(sample.at, sample.value) for sample in found] == [(one.at, one.values["power_w"]) for one in written]
    assert all(sample.at.tzinfo is UTC and type(sample.value) is float for sample in found)


def test_read_has_every_field_asked_for_and_only_those(telemetry: Telemetry) -> None:
    telemetry.write([point(values={"power_w": 1.0, "voltage_l1_v": 230.0, "soc_pct": 50.0}), point(values={})])
    found = read(telemetry, "power_w", "soc_pct", "rssi_dbm")
    assert found == {
        "power_w": [Sample(at=NOON, value=1.0)],
        "soc_pct": [Sample(at=NOON, value=50.0)],
        "rssi_dbm": [],
    }
    assert read(telemetry, "rssi_dbm") == {"rssi_dbm": []}
    assert telemetry.read(station_id="SE-1", connector_id=1, fields=[], from_=NOON, to=NOON + DAY) == {}


def test_read_when_nothing_was_ever_written_is_empty(telemetry: Telemetry) -> None:
    assert read(telemetry) == {"power_w": []}
    assert telemetry.fields(station_id="SE-1", from_=NOON - DAY, to=NOON + DAY) == set()


def test_read_keeps_series_apart(telemetry: Telemetry) -> None:
    telemetry.write(
        [
            point(values={"power_w": 1.0}),
            point(values={"power_w": 2.0}, connector_id=2),
            point(values={"power_w": 3.0}, station_id="SE-2"),
            point(values={"power_w": 4.0}, source="mqtt"),
        ]
    )
    assert [s.value for s in read(telemetry)["power_w"]] == [1.0]
    assert [s.value for s in read(telemetry, connector_id=2)["power_w"]] == [2.0]
    assert [s.value for s in read(telemetry, station_id="SE-2")["power_w"]] == [3.0]
    assert [s.value for s in read(telemetry, source="mqtt")["power_w"]] == [4.0]
    assert sorted(s.value for s in read(telemetry, connector_id=None)["power_w"]) == [1.0, 2.0]


def test_write_again_overwrites(telemetry: Telemetry) -> None:
    telemetry.write([point(values={"power_w": 1.0, "soc_pct": 5.0})])
    telemetry.write([point(values={"power_w": 2.0}), point(values={"power_w": 3.0})])
    telemetry.write([point(values={"power_w": 3.0})])
    assert read(telemetry, "power_w", "soc_pct") == {
        "power_w": [Sample(at=NOON, value=3.0)],
        "soc_pct": [Sample(at=NOON, value=5.0)],
    }


def test_write_of_late_values_over_days_reads_in_order(telemetry: Telemetry) -> None:
    order = [3, 0, 5, 1, 4, 2]
    telemetry.write([point(NOON + n * DAY, values={"power_w": float(n)}) for n in order])
    telemetry.write([point(NOON - n * DAY, values={"power_w": -float(n)}) for n in order if n])
    assert [s.value for s in read(telemetry)["power_w"]] == [float(n) for n in range(-5, 6)]


def test_read_takes_a_half_open_range(telemetry: Telemetry) -> None:
    midnight = datetime(2026, 11, 22, tzinfo=UTC)
    tick = timedelta(microseconds=1)
    telemetry.write([point(midnight + n * tick, values={"power_w": float(n)}) for n in range(-2, 3)])
    assert [s.value for s in read(telemetry, from_=midnight - tick, to=midnight)["power_w"]] == [-1.0]
    assert [s.value for s in read(telemetry, from_=midnight, to=midnight + 2 * tick)["power_w"]] == [0.0, 1.0]
    assert read(telemetry, from_=midnight, to=midnight) == {"power_w": []}
    assert read(telemetry, from_=midnight, to=midnight - DAY) == {"power_w": []}


def test_read_limits_each_field_to_its_oldest(telemetry: Telemetry) -> None:
    telemetry.write([point(NOON + n * DAY / 2, values={"power_w": float(n)}) for n in range(6)])
    telemetry.write([point(NOON + 2 * DAY, values={"soc_pct": 50.0})])
    found = read(telemetry, "power_w", "soc_pct", limit=3)
    assert [s.value for s in found["power_w"]] == [0.0, 1.0, 2.0]
    assert [s.value for s in found["soc_pct"]] == [50.0]


def test_read_of_many_values(telemetry: Telemetry) -> None:
    tick = timedelta(seconds=1)
    telemetry.write(point(NOON + n * tick, values={"power_w": float(n)}) for n in range(12_000))
    assert [s.value for s in read(telemetry)["power_w"]] == [float(n) for n in range(12_000)]


def test_fields_of_a_station_in_a_range(telemetry: Telemetry) -> None:
    telemetry.write(
        [
            point(values={"power_w": 1.0, "count_x": 0.0}),
            point(NOON + DAY, values={"soc_pct": 0.0}, connector_id=2, source="mqtt"),
            point(values={"voltage_v": 1.0}, station_id="SE-2"),
        ]
    )
    every = {"from_": NOON - DAY, "to": NOON + 2 * DAY}
    assert telemetry.fields(station_id="SE-1", **every) == {"power_w", "count_x", "soc_pct"}
    assert telemetry.fields(station_id="SE-1", from_=NOON + DAY, to=NOON + 2 * DAY) == {"soc_pct"}
    assert telemetry.fields(station_id="SE-9", **every) == set()


HOSTILE = [
    "a b,c=d",
    'it\'s "quoted" \\ and more\\',
    "line\nfeed\r\ttab",
    "' OR '1'='1",
    "100%",
    "%25",
    "Å日本😀",
    "time",
    "station",
    "#hash",
    " ",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_kept_apart_and_comes_back(telemetry: Telemetry, name: str) -> None:
    telemetry.write(
        [
            point(station_id=name, values={name: 1.0, "power_w": 2.0}),
            point(values={"power_w": 3.0}, station_id="B"),
        ]
    )
    found = read(telemetry, name, "power_w", station_id=name)
    assert {field: [s.value for s in samples] for field, samples in found.items()} == {
        name: [1.0],
        "power_w": [2.0],
    }
    assert telemetry.fields(station_id=name, from_=NOON, to=NOON + DAY) == {name, "power_w"}
    assert telemetry.fields(station_id="B", from_=NOON, to=NOON + DAY) == {"power_w"}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_write_of_what_is_no_number_refuses_all(telemetry: Telemetry, value: float) -> None:
    with pytest.raises(ValueError, match=r"power_w of station SE-1 is -?(nan|inf)"):
        telemetry.write([point(values={"soc_pct": 1.0}), point(values={"power_w": value})])
    assert read(telemetry, "soc_pct") == {"soc_pct": []}


def test_write_of_what_has_no_time_place_or_name_refuses(telemetry: Telemetry) -> None:
    with pytest.raises(ValueError, match="naive"):
        telemetry.write([point(NOON.replace(tzinfo=None))])
    with pytest.raises(ValueError, match="beyond 64 bits"):
        telemetry.write([point(connector_id=2**63)])
    with pytest.raises(ValueError, match="no field name"):
        telemetry.write([point(values={"": 1.0})])


def test_expire_never_touches_the_days_kept(telemetry: Telemetry) -> None:
    telemetry.write([point(NOON + n * DAY, values={"power_w": float(n)}) for n in range(3)])
    telemetry.expire((NOON + DAY).date())
    assert [s.value for s in read(telemetry, from_=NOON + DAY / 2)["power_w"]] == [1.0, 2.0]
