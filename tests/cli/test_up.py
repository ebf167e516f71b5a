"""`laddvakt up` as a process: its end is as orderly as its beginning."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.installation import installation
from tests.support.waiting import until


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
