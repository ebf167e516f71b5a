"""`laddvakt command`: from the program to a station and back."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from laddvakt.cli.main import cli
from tests.support.installation import Installation, LiveStation, installation
from tests.support.waiting import until


def answering(station: LiveStation, answers: dict[str, dict[str, Any]]) -> threading.Thread:
    """Answers one call for each of `answers`, by action, in the background."""

    def work() -> None:
        for _ in answers:
            _, unique_id, action, _ = json.loads(station.socket.recv(timeout=30))
            station.socket.send(json.dumps([3, unique_id, answers[action]]))

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def run(running: Installation, *words: str) -> Any:
    data = str(running.folder / "data")
    return CliRunner().invoke(cli, ["--data", data, "command", *words])


def test_command_reaches_a_station_of_a_running_installation(tmp_path: Path) -> None:
    payload = tmp_path / "payload.json"
    payload.write_text('{"type": "Soft"}')
    with installation(tmp_path, LADDVAKT_OCPP__UNKNOWN_STATIONS="accept") as running:
        running.prepare()
        with running.station("X-1") as station:
            station.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
            until(lambda: running.items("/stations"), what="the station in the records")
            thread = answering(station, {"Reset": {"status": "Accepted"}, "ClearCache": {"status": "Rejected"}})
            done = run(running, "X-1", "Reset", f"@{payload}", "--json")
            assert done.exit_code == 0, done.output
            assert json.loads(done.stdout)["answer"] == {"status": "Accepted"}
            refused = run(running, "X-1", "ClearCache")
            assert (refused.exit_code, refused.stdout) == (1, 'rejected: {"status": "Rejected"}\n')
            thread.join()
            wrong = run(running, "X-1", "Reset", '{"type": "Warm"}')
            assert wrong.exit_code == 1
            assert '"Warm" is not one of' in wrong.stderr
        history = until(lambda: _whole(running), what="the history")
        assert [(item["action"], item["status"]) for item in history] == [
            ("ClearCache", "rejected"),
            ("Reset", "accepted"),
        ]
        assert history[0]["actor"].startswith("cli:")
        gone = until(lambda: _gone(running), what="the end of the connection")
        assert "no collector holds the station" in gone


def _whole(running: Installation) -> list[Any]:
    items = running.items("/stations/X-1/commands")
    return items if len(items) == 2 and all(item["status"] for item in items) else []


def _gone(running: Installation) -> str:
    done = run(running, "X-1", "Reset", '{"type": "Soft"}', "--timeout", "1")
    return str(done.stderr) if "not_connected" in done.stderr else ""


def test_payload_that_is_no_object_is_wrong_usage(tmp_path: Path) -> None:
    for payload in ("[]", "{", "@/nowhere"):
        done = CliRunner().invoke(cli, ["--data", str(tmp_path), "command", "X-1", "Reset", payload])
        assert done.exit_code == 2, done.output


def test_unknown_station_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["--data", str(tmp_path), "command", "X-1", "Reset"])
    assert done.exit_code == 1
