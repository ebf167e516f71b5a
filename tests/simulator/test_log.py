"""The log writer: ordered, readable, the same for the same options, and true."""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from laddvakt.domain.times import parse_time
from simulator.faults.schedule import lay_faults
from simulator.log import LogOptions, LogSummary, line_bytes, write_log
from simulator.spec import make_specs
from simulator.world import DEFAULT_START_S, World
from tests.support.central import schema

START_S = DEFAULT_START_S
PLANS = lay_faults(
    make_specs(8),
    seed=2,
    codes=("reported_fault", "no_power", "offline", "meter_rollback"),
    count=4,
    from_s=START_S + 3600,
    until_s=START_S + 20 * 3600,
    strength=(0.7, 1.0),
)
DAY = LogOptions(stations=8, seed=2, days=1, plans=PLANS, drops_per_day=3)


def read(path: Path) -> list[dict[str, Any]]:
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


class Day:
    def __init__(self, folder: Path, options: LogOptions = DAY, name: str = "log.jsonl") -> None:
        self.path, self.truth_path = folder / name, folder / f"{name}.truth.json"
        self.summary: LogSummary = write_log(options, self.path, self.truth_path)
        self.lines = read(self.path)
        self.truth = json.loads(self.truth_path.read_text("utf-8"))

    def calls(self, station_id: str | None = None) -> list[tuple[str, list[Any]]]:
        return [
            (line["received_at"], line["frame"])
            for line in self.lines
            if line.get("direction") == "in" and line["frame"][0] == 2 and station_id in (None, line["station_id"])
        ]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Day:
    return Day(tmp_path_factory.mktemp("log"))


def test_lines_are_ordered_by_their_time(day: Day) -> None:
    times = [line["received_at"] for line in day.lines]
    assert times == sorted(times)
    assert len(times) == day.summary.lines > 5_000


def test_lines_have_the_replay_format(day: Day) -> None:
    fields = {
        "connected": {"received_at", "station_id", "kind", "protocol"},
        "disconnected": {"received_at", "station_id", "kind"},
        "ocpp": {"received_at", "station_id", "kind", "direction", "frame"},
        "mqtt": {"received_at", "kind", "topic", "payload"},
    }
    assert {line["kind"] for line in day.lines} == set(fields)
    for line in day.lines:
        assert set(line) == fields[line["kind"]]
        assert parse_time(line["received_at"]) is not None
        if line["kind"] == "mqtt":
            assert isinstance(json.loads(line["payload"]), dict)


def test_frames_pass_only_over_an_open_link_and_keep_to_the_schemas(day: Day) -> None:
    actions = {frame[2] for _, frame in day.calls()}
    validators = {action: schema(action) for action in actions}
    up: set[str] = set()
    for line in day.lines:
        match line["kind"]:
            case "connected":
                assert line["station_id"] not in up
                up.add(line["station_id"])
            case "disconnected":
                up.remove(line["station_id"])
            case "ocpp":
                assert line["station_id"] in up
                if line["frame"][0] == 2:
                    validators[line["frame"][2]].validate(line["frame"][3])


def test_every_answer_answers_a_call_of_its_station(day: Day) -> None:
    asked: dict[str, set[str]] = {}
    for line in day.lines:
        if line.get("direction") == "in":
            asked.setdefault(line["station_id"], set()).add(line["frame"][1])
        elif line.get("direction") == "out":
            assert line["frame"][0] == 3
            assert line["frame"][1] in asked[line["station_id"]]


def test_every_transaction_started_is_stopped_once_or_still_runs(day: Day) -> None:
    given = [
        line["frame"][2]["transactionId"]
        for line in day.lines
        if line.get("direction") == "out" and "transactionId" in line["frame"][2]
    ]
    stops = {frame[1]: frame[3]["transactionId"] for _, frame in day.calls() if frame[2] == "StopTransaction"}
    assert max(Counter(stops.values()).values()) == 1
    assert set(stops.values()) <= set(given)
    assert len(set(given)) - len(stops) <= 16


def test_the_same_options_give_the_same_bytes(day: Day, tmp_path: Path) -> None:
    again = Day(tmp_path)
    assert again.path.read_bytes() == day.path.read_bytes()
    assert again.truth_path.read_bytes() == day.truth_path.read_bytes()


def test_another_seed_is_another_day(day: Day, tmp_path: Path) -> None:
    other = Day(tmp_path, LogOptions(stations=8, seed=3, days=0.2, faults=0.5))
    assert other.lines[:50] != day.lines[:50]


def test_a_packed_log_is_the_same_log(tmp_path: Path) -> None:
    options = LogOptions(stations=2, days=0.1)
    assert Day(tmp_path, options, "a.jsonl.gz").lines == Day(tmp_path, options, "a.jsonl").lines


def test_truth_matches_what_the_log_shows(day: Day) -> None:
    checked = Counter[str]()
    for fault in day.truth["faults"]:
        during = [
            frame
            for at, frame in day.calls(fault["station_id"])
            if fault["since"] <= at < fault["until"]
            and (fault["connector_id"] is None or frame[3].get("connectorId") == fault["connector_id"])
        ]
        match fault["fault"]:
            case "reported_fault":
                faulted = [frame for frame in during if frame[3].get("status") == "Faulted"]
                assert faulted
                assert faulted[0][3]["errorCode"] == fault["detail"].split()[0]
            case "offline":
                sent = [at for at, _ in day.calls(fault["station_id"]) if fault["since"] <= at < fault["until"]]
                assert len(sent) <= 1  # one may have been under way
            case "no_power":
                values = [frame for frame in during if frame[2] == "MeterValues"]
                assert (fault["shown_at"] is None) == (not values)
                powers = {
                    float(item["value"])
                    for frame in values
                    for item in frame[3]["meterValue"][0]["sampledValue"]
                    if item["measurand"] == "Power.Active.Import"
                }
                assert 0.0 in powers
        checked[fault["fault"]] += 1
    assert set(checked) == {"reported_fault", "offline", "no_power", "meter_rollback"}


def test_no_station_reports_a_fault_that_truth_does_not_know(day: Day) -> None:
    known = {fault["station_id"] for fault in day.truth["faults"] if fault["fault"] == "reported_fault"}
    told = {line["station_id"] for line in day.lines if "Faulted" in str(line.get("frame"))}
    assert told == known


def test_lines_in_memory_are_those_of_the_file(day: Day) -> None:
    world = World(DAY)
    written = day.path.read_bytes().splitlines(keepends=True)
    lines = list(world.lines())
    assert [line_bytes(line) for line in lines] == written
    assert world.truth() == day.truth
    assert [parse_time(line.received_at) for line in lines[:50]] == [
        datetime.fromtimestamp(line.received_s, UTC) for line in lines[:50]
    ]


def test_meters_are_read_as_each_model_does(tmp_path: Path) -> None:
    specs = tuple(spec for spec in make_specs(12) if spec.model in ("Fyr 22", "Hamn 7"))[:3]
    day = Day(tmp_path, LogOptions(specs=specs, seed=2, days=0.5, mqtt_share=0))
    idle, gaps = 0, set()
    for spec in specs:
        values = [(at, f[3]) for at, f in day.calls(spec.station_id) if f[2] == "MeterValues"]
        idle += sum("transactionId" not in payload for _, payload in values)
        times = [datetime.fromisoformat(at).timestamp() for at, payload in values if "transactionId" in payload]
        gaps.update((spec.model, round(b - a)) for a, b in itertools.pairwise(times))
    assert idle > 20
    assert {("Hamn 7", 5), ("Fyr 22", 60)} <= gaps
