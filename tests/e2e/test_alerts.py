"""From what a station says to a technician's phone: real mail and webhook servers, a whole installation."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import httpx

from tests.support.installation import LiveStation, installation
from tests.support.receivers import http_receiver, mail_server, text_of
from tests.support.servers import free_port
from tests.support.waiting import until

ON_CALL = """
[[contacts]]
id = "eva"
name = "Eva Berg"
urls = "{eva}"

[[rotas]]
id = "field"
contacts = ["eva"]
first = 2026-11-02
timezone = "Europe/Stockholm"

[[routes]]
id = "duty"
rota = "field"
severity = ["P1", "P2"]

[[routes]]
id = "boss"
urls = "{boss}?secret=hush"
escalate_after = "15m"
escalate_p1_after = 4
"""


def says(station: LiveStation, status: str, error: str = "NoError") -> float:
    """A StatusNotification of connector 1; when it was sent."""
    at = time.monotonic()
    station.call("StatusNotification", {"connectorId": 1, "errorCode": error, "status": status})
    return at


def test_a_phone_gets_a_safety_fault_in_seconds_it_escalates_is_acknowledged_and_ends(tmp_path: Path) -> None:
    port = free_port()
    environment = {
        "LADDVAKT_WEB__LISTEN": f"127.0.0.1:{port}",
        "LADDVAKT_WEB__PUBLIC_URL": f"http://127.0.0.1:{port}",
        "LADDVAKT_DETECTOR__RULES": json.dumps({"reported_fault": {"clear_after_s": 1}}),
        "LADDVAKT_DETECTOR__FOREST": "false",
    }
    with mail_server() as box, http_receiver() as boss, installation(tmp_path, **environment) as running:
        running.prepare()
        routes = running.folder / "routes.toml"
        routes.write_text(ON_CALL.format(eva=box.url("eva@example.org"), boss=boss.url))
        running.cli("import", str(routes))
        with running.station("SE-1") as station:
            station.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
            says(station, "Available")

            said_at = says(station, "Faulted", "GroundFailure")
            (mail,) = until(lambda: box.to("eva@example.org"), what="the mail")
            assert time.monotonic() - said_at < 5
            assert mail["Subject"].startswith("[P1] ")
            text = text_of(mail)
            assert "Where: Norra, station SE-1, connector 1" in text
            assert "What to bring: " in text

            until(lambda: boss.got, what="the escalation")
            assert boss.events == ["escalated"]
            assert time.monotonic() - said_at < 9

            link = re.search(r"http://127\.0\.0\.1:\d+/acknowledge/\S+", text)
            assert link is not None
            assert httpx.get(link[0]).status_code == 200
            (ticket,) = running.items("/tickets")
            assert ticket["state"] == "open"
            assert httpx.post(link[0], follow_redirects=True).status_code == 200
            (ticket,) = running.items("/tickets")
            assert (ticket["state"], ticket["events"][-1]["actor"]) == ("acknowledged", "link:eva")

            says(station, "Available")
            until(lambda: len(box.to("eva@example.org")) == 2 and len(boss.got) == 2, what="the end")
            assert box.got[1]["Subject"].startswith("[OK] ")
            assert boss.events == ["escalated", "resolved"]

        def all_told() -> list[dict[str, Any]]:
            found = running.items(f"/tickets/{ticket['ticket_id']}/deliveries")
            return found if all(item["ok"] for item in found) else []

        told = until(all_told, what="the outcome of each")
        assert sorted((item["contact"], item["way"], item["event"]) for item in told) == [
            ("", "webhook", "escalated"),
            ("", "webhook", "resolved"),
            ("eva", "mailto", "opened"),
            ("eva", "mailto", "resolved"),
        ]
        assert "hush" not in (running.folder / "up.log").read_text()
