"""`laddvakt up` as a process: its end is as orderly as its beginning."""

from __future__ import annotations

import os
import re
import signal
from contextlib import suppress
from pathlib import Path

from websockets.exceptions import WebSocketException

from tests.support.installation import installation
from tests.support.waiting import until

NAMES = ["collector", "collector-2"]


def test_services_stop_one_after_the_other_and_the_log_last(tmp_path: Path) -> None:
    with installation(tmp_path) as running:
        until(lambda: {"eventlog", "recorder", "collector", "detector", "dashboard"} <= running.pids.keys())
        until(lambda: "connected to the MQTT broker" in (tmp_path / "up.log").read_text(), deadline_s=30)
        running.stop()
    text = (tmp_path / "up.log").read_text()
    stopped = re.findall(r"(\w+): stopped$", text, re.MULTILINE)
    assert [name for name in stopped if name != "up"] == ["dashboard", "detector", "collector", "recorder"]
    assert "lost the event log" not in text
    assert stopped[-1] == "up"


def test_several_collectors_are_restarted_one_by_one_and_stopped_together(tmp_path: Path) -> None:
    with installation(tmp_path, LADDVAKT_OCPP__PROCESSES="2") as running:
        until(lambda: {"collector", "collector-2", "dashboard"} <= running.pids.keys())
        running.prepare()

        def log() -> str:
            return (tmp_path / "up.log").read_text()

        def served() -> bool:  # by whoever is left; the one that leaves may have a connection in its queue
            with suppress(OSError, WebSocketException), running.station("SE-1") as station:
                return bool(station.call("Heartbeat", {}))
            return False

        for name in NAMES:
            until(lambda: all(f"{each}: stations: ws://" in log() for each in NAMES), deadline_s=30)
            before = running.pids[name]
            os.kill(before, signal.SIGTERM)
            until(served, deadline_s=30)
            until(lambda name=name, before=before: running.pids[name] != before, deadline_s=30)  # type: ignore[misc]  # a lambda with defaults
            until(lambda name=name: log().count(f"{name}: stations: ws://") == 2, deadline_s=30)  # type: ignore[misc]  # the same
        running.stop()
    stopped = re.findall(r"([\w-]+): stopped$", (tmp_path / "up.log").read_text(), re.MULTILINE)
    order = [name for name in stopped if name != "up"][-5:]
    assert sorted(order[2:4]) == NAMES
