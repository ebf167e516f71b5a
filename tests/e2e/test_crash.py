"""kill -9 of each process in turn under load: what a station was told is in the records afterwards, once."""

from __future__ import annotations

import contextlib
import json
import logging
import random
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.support.installation import Installation, installation, wall
from tests.support.servers import Mosquitto
from tests.support.waiting import until

logger = logging.getLogger(__name__)

STATIONS = 200
PROCESSES = ("collector", "eventlog", "recorder", "detector", "dashboard")
CHECKED_SESSIONS = 12  # whose telemetry is compared value by value
VERSIONS = ("--ocpp", "1.6", "--ocpp", "2.0.1", "--ocpp", "2.1")


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


def kill_at_random(running: Installation, acks: Path, names: tuple[str, ...], kills: int) -> None:
    """Whatever is running, whatever it is doing: also two at once, also one that is just starting."""
    rng = random.Random(29)
    for number in range(kills):
        wanted = count(acks) + rng.randrange(400)
        with contextlib.suppress(TimeoutError):  # nothing is acknowledged while the log is down: go on
            until(lambda wanted=wanted: count(acks) > wanted, deadline_s=rng.uniform(1, 8), what="load")  # type: ignore[misc]
        for name in rng.sample(names, 1 if number % 10 else 2):
            with contextlib.suppress(ProcessLookupError):  # it is dead already, and not yet started again
                running.kill(name)
    before = count(acks)
    until(lambda: count(acks) > before + 2000, deadline_s=120, what="load after the last kill")


def registers(call: dict[str, Any]) -> dict[str, float]:
    """Times and values (as sent) of a call's energy register."""
    found: dict[str, float] = {}
    for meter_value in call["payload"].get("meterValue", ()):
        for sample in meter_value["sampledValue"]:
            if sample.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register":
                unit = sample.get("unit") or sample.get("unitOfMeasure", {}).get("unit")
                found[meter_value["timestamp"]] = float(sample["value"]) * (1000 if unit == "kWh" else 1)
    return found


Key = tuple[str, str]  # station, transaction


def key_of(call: dict[str, Any]) -> Key:
    """Of a call that belongs to a transaction."""
    payload = call["payload"]
    if call["action"] == "TransactionEvent":
        return call["station_id"], payload["transactionInfo"]["transactionId"]
    place = call["reply"] if call["action"] == "StartTransaction" else payload
    return call["station_id"], str(place["transactionId"])


def with_event(calls: list[dict[str, Any]], action: str, event: str) -> dict[Key, dict[str, Any]]:
    """The acknowledged starts, or stops, of all versions."""
    found: dict[Key, dict[str, Any]] = {}
    for call in calls:
        if call["action"] == action or call["payload"].get("eventType") == event:
            key = key_of(call)
            assert key not in found, f"two transactions were given one id: {key}"
            found[key] = call
    return found


def check(running: Installation, calls: list[dict[str, Any]]) -> None:
    starts = with_event(calls, "StartTransaction", "Started")
    stops = with_event(calls, "StopTransaction", "Ended")
    assert len(starts) > STATIONS / 2
    assert len(stops) > 20

    def recorded() -> dict[tuple[str, str], dict[str, Any]]:
        sessions = running.items("/sessions", limit="500")
        found = {(s["station_id"], s["transaction_id"]): s for s in sessions}
        assert len(found) == len(sessions), "a transaction became two sessions"
        assert len({s["session_id"] for s in sessions}) == len(sessions)
        begun = Counter((s["station_id"], s["connector_id"], s["started_at"]) for s in sessions)
        assert max(begun.values()) == 1, "one charge became two sessions"
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
        stop_wh = call["payload"].get("meterStop") or max(registers(call).values())
        assert sessions[key]["meter_stop_wh"] == pytest.approx(stop_wh, abs=1)
        assert not sessions[key]["quality_reasons"] or key not in starts, sessions[key]
    check_values(running, calls, sessions)


def check_values(running: Installation, calls: list[dict[str, Any]], sessions: dict[Any, dict[str, Any]]) -> None:
    """Each acknowledged register value of some sessions is in the telemetry."""
    values: dict[tuple[str, str], dict[str, float]] = {}
    for call in calls:
        if call["action"] == "TransactionEvent" or "transactionId" in call["payload"]:
            values.setdefault(key_of(call), {}).update(registers(call))
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
            *("simulate", "--url", running.stations_url, "--stations", str(STATIONS), "--seed", "11", *VERSIONS),
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
def test_nothing_acknowledged_is_lost_when_collectors_and_log_are_killed_a_hundred_times(tmp_path: Path) -> None:
    """500 stations of three versions of OCPP, two collectors on one port."""
    acks = tmp_path / "acks.jsonl"
    with installation(tmp_path, LADDVAKT_OCPP__UNKNOWN_STATIONS="accept", LADDVAKT_OCPP__PROCESSES="2") as running:
        running.prepare()
        fleet = running.spawn(
            *("simulate", "--url", running.stations_url, "--stations", "500", "--seed", "13", *VERSIONS),
            *("--session", "20", "90", "--meter-interval", "5", "--acks", str(acks)),
        )
        until(lambda: count(acks) > 2000, deadline_s=90, what="load")
        kill_at_random(running, acks, ("collector", "collector-2", "eventlog"), kills=100)
        fleet.send_signal(signal.SIGINT)
        assert fleet.wait(30) == 0
        calls = acknowledged(acks)
        logger.info("%d acknowledged calls", len(calls))
        check(running, calls)


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
