"""kill -9 of each process in turn under load: what a station was told is in the records afterwards, once."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.installation import Installation, installation, wall
from tests.support.servers import Mosquitto
from tests.support.waiting import until

STATIONS = 200
PROCESSES = ("collector", "eventlog", "recorder", "detector", "dashboard")
CHECKED_SESSIONS = 12  # whose telemetry is compared value by value


def acknowledged(path: Path) -> list[dict[str, Any]]:
    """Whole lines only: the last one may still be on its way."""
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in lines]


def count(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def kill_each_in_turn(running: Installation, acks: Path, rounds: int = 1) -> None:
    for name in PROCESSES * rounds:
        before = count(acks)
        until(lambda before=before: count(acks) > before + 300, deadline_s=60, what="load")  # type: ignore[misc]
        killed = running.kill(name)
        until(
            lambda name=name, killed=killed: running.pids[name] != killed,  # type: ignore[misc]
            deadline_s=30,
            what=f"{name} to be started again",
        )
        after = count(acks)
        until(lambda after=after: count(acks) > after + 300, deadline_s=90, what=f"load after {name}")  # type: ignore[misc]


def registers(call: dict[str, Any]) -> dict[str, float]:
    """Times and values of a MeterValues call's energy register."""
    found: dict[str, float] = {}
    for meter_value in call["payload"]["meterValue"]:
        for sample in meter_value["sampledValue"]:
            if sample.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register":
                found[meter_value["timestamp"]] = float(sample["value"])
    return found


def check(running: Installation, calls: list[dict[str, Any]]) -> None:
    starts = {
        (c["station_id"], str(c["reply"]["transactionId"])): c for c in calls if c["action"] == "StartTransaction"
    }
    stops = {
        (c["station_id"], str(c["payload"]["transactionId"])): c for c in calls if c["action"] == "StopTransaction"
    }
    assert len(starts) > STATIONS / 2
    assert len(stops) > 20

    def recorded() -> dict[tuple[str, str], dict[str, Any]]:
        sessions = running.items("/sessions", limit="500")
        found = {(s["station_id"], s["transaction_id"]): s for s in sessions}
        assert len(found) == len(sessions), "a transaction became two sessions"
        assert len({s["session_id"] for s in sessions}) == len(sessions)
        return found

    def all_there() -> dict[tuple[str, str], dict[str, Any]] | None:
        found = recorded()
        ended = {key for key, session in found.items() if session["state"] == "ended"}
        return found if starts.keys() <= found.keys() and stops.keys() <= ended else None

    try:
        sessions = until(all_there, deadline_s=60, what="everything acknowledged to be recorded")
    except TimeoutError:
        found = recorded()
        lost = sorted(starts.keys() - found.keys())
        unended = sorted(key for key in stops if found.get(key, {}).get("state") != "ended")
        pytest.fail(f"lost starts: {lost[:5]} ({len(lost)}), lost stops: {unended[:5]} ({len(unended)})")
    for key, call in stops.items():
        assert sessions[key]["meter_stop_wh"] == call["payload"]["meterStop"]
    check_values(running, calls, sessions)


def check_values(running: Installation, calls: list[dict[str, Any]], sessions: dict[Any, dict[str, Any]]) -> None:
    """Each acknowledged register value of some sessions is in the telemetry."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    for call in calls:
        if call["action"] == "MeterValues" and "transactionId" in call["payload"]:
            key = (call["station_id"], str(call["payload"]["transactionId"]))
            values.setdefault(key, {}).update(registers(call))
    fullest = sorted(values, key=lambda key: -len(values[key]))[:CHECKED_SESSIONS]
    for key in fullest:
        path = f"/sessions/{sessions[key]['session_id']}/telemetry"

        def complete(path: str = path, wanted: dict[str, float] = values[key]) -> bool:
            stored = json.dumps(running.get(path))
            return all(f"{value}" in stored or str(int(value)) in stored for value in wanted.values())

        until(complete, deadline_s=20, what=f"all {len(values[key])} values of {key} in the telemetry")


def kill_and_compare(folder: Path, chromium: str, *, rounds: int, **environment: str) -> None:
    """A fleet charges while processes are killed; then its own list of what was acknowledged is held against the
    records."""
    acks = folder / "acks.jsonl"
    with installation(folder, LADDVAKT_OCPP__UNKNOWN_STATIONS="accept", **environment) as running:
        running.prepare()
        fleet = running.spawn(
            *("simulate", "--url", running.stations_url, "--stations", str(STATIONS), "--seed", "11"),
            *("--session", "15", "45", "--meter-interval", "2", "--acks", str(acks)),
        )
        with wall(chromium, running) as page:
            until(lambda: count(acks) > STATIONS, deadline_s=60, what="load")
            page.goto(running.web_url + "/")
            expect(page.locator(".tile")).to_have_count(STATIONS + 2, timeout=30_000)
            kill_each_in_turn(running, acks, rounds)
            # Nobody touched the browser: the wall found its way back, and moves.
            expect(page.locator("#banner-lost")).to_be_hidden(timeout=30_000)
            expect(page.locator("#banner-stale")).to_be_hidden(timeout=30_000)
            before = page.locator("main").inner_text()
            until(lambda: page.locator("main").inner_text() != before, what="the wall to move")
        fleet.send_signal(signal.SIGINT)
        assert fleet.wait(30) == 0
        calls = acknowledged(acks)
        per_id = Counter((c["station_id"], c["unique_id"]) for c in calls)
        assert not [key for key, times in per_id.items() if times > 1], "a call was acknowledged twice"
        check(running, calls)


def test_nothing_acknowledged_is_lost_when_each_process_is_killed(tmp_path: Path, chromium: str) -> None:
    kill_and_compare(tmp_path, chromium, rounds=1)


@pytest.mark.soak
def test_nothing_acknowledged_is_lost_over_many_kills(tmp_path: Path, chromium: str) -> None:
    kill_and_compare(tmp_path, chromium, rounds=6)


@pytest.mark.soak
def test_nothing_acknowledged_is_lost_on_other_servers(
    tmp_path: Path, chromium: str, postgres_url: str, influx_bucket: tuple[str, str], mosquitto_server: Mosquitto
) -> None:
    url, bucket = influx_bucket
    kill_and_compare(
        tmp_path,
        chromium,
        rounds=2,
        LADDVAKT_RECORDS__URL=postgres_url,
        LADDVAKT_TELEMETRY__URL=url,
        LADDVAKT_TELEMETRY__BUCKET=bucket,
        LADDVAKT_MQTT__URL=mosquitto_server.url,
    )
