"""A message that was set aside takes effect after the fix: the whole way, from the command line."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from laddvakt.clock import utc_now
from laddvakt.domain.times import parse_time
from tests.support.installation import NETWORK, installation
from tests.support.waiting import until

NEW_STATION = """
[[stations]]
id = "SE-9"
site = "north"
current = "AC"
[[stations.connectors]]
id = 1
"""


def test_a_start_of_a_station_that_was_not_registered_yet(tmp_path: Path) -> None:
    begun = utc_now().replace(microsecond=0) - timedelta(minutes=1)
    start = {"connectorId": 1, "idTag": "TAG1", "meterStart": 100, "timestamp": begun.isoformat()}
    with installation(tmp_path) as running:
        running.prepare()
        with running.station("SE-9") as station:
            station.socket.send(json.dumps([2, "1", "StartTransaction", start]))
            assert json.loads(station.socket.recv(timeout=30))[0] == 4

        def aside() -> list[dict[str, Any]]:
            said = running.cli("quarantine", "list", "--station", "SE-9", "--json")
            return [json.loads(line) for line in said.splitlines()]

        (item,) = until(aside, deadline_s=20, what="the message in the quarantine")
        assert item["reason"] == "unknown_station"
        (tmp_path / "more.toml").write_text(NETWORK + NEW_STATION)
        running.cli("import", str(tmp_path / "more.toml"))

        def took_effect() -> bool:
            with running.station("SE-9"):  # a new connection makes the collector look again
                return "1 of 1" in running.cli("quarantine", "reprocess", "--station", "SE-9")

        def tried() -> bool:
            try:
                return took_effect()
            except AssertionError:  # the collector does not know the station yet: exit status 1
                return False

        until(tried, deadline_s=40, what="the start to take effect")
        (session,) = running.items("/sessions", station_id="SE-9")
        assert parse_time(session["started_at"]) == begun
        after = running.get(f"/quarantine/{item['item_id']}")
        assert (after["state"], after["outcome"]) == ("reprocessed", "TransactionStarted")
        assert after["settled_by"].startswith("cli:")
        assert f"{item['item_id']} reprocessed" in running.cli("quarantine", "reprocess", item["item_id"])
        assert len(running.items("/sessions", station_id="SE-9")) == 1
