"""A site without power, our own restart: a whole installation with real sockets, and the tickets that follow."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.support.installation import Installation, LiveStation, installation
from tests.support.waiting import until

SITES = {"north": 20, "south": 6}
SILENCE_S = 5.0
ENVIRONMENT = {
    "LADDVAKT_DETECTOR__RULES": json.dumps(
        {"offline": {"after_s": SILENCE_S}, "site_outage": {"within_s": 2}},
    ),
    "LADDVAKT_DETECTOR__FOREST": "false",
}


def network() -> str:
    lines = []
    for site, stations in SITES.items():
        lines += ["[[sites]]", f'id = "{site}"', f'name = "{site}"', 'timezone = "Europe/Stockholm"']
        for number in range(stations):
            lines += ["[[stations]]", f'id = "{site}-{number}"', f'site = "{site}"', 'current = "AC"']
            lines += ["[[stations.connectors]]", "id = 1"]
    return "\n".join(lines) + "\n"


class Fleet:
    """All stations on their sockets."""

    def __init__(self, running: Installation) -> None:
        self._running = running
        self.links: dict[str, ExitStack] = {}
        self._stations: dict[str, LiveStation] = {}

    def connect(self, site: str) -> None:
        for number in range(SITES[site]):
            station_id = f"{site}-{number}"
            link = self.links[station_id] = ExitStack()
            station = self._stations[station_id] = link.enter_context(self._running.station(station_id))
            station.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
            station.call("StatusNotification", {"connectorId": 1, "errorCode": "NoError", "status": "Available"})

    def beat(self, site: str) -> None:
        for number in range(SITES[site]):
            self._stations[f"{site}-{number}"].call("Heartbeat", {})

    def cut(self, site: str) -> None:
        for number in range(SITES[site]):
            self.links.pop(f"{site}-{number}").close()

    def close(self) -> None:
        for link in self.links.values():
            link.close()


def tickets(running: Installation) -> list[Any]:
    return [ticket for ticket in running.items("/tickets") if ticket["state"] != "closed"]


def pass_time(running: Installation, fleet: Fleet, site: str, seconds: float) -> None:
    """Real time goes by while a site lives on."""
    end = time.monotonic() + seconds

    def over() -> bool:
        fleet.beat(site)
        return time.monotonic() >= end

    until(over, what="time to pass", deadline_s=seconds + 30)


def test_twenty_stations_without_power_are_one_ticket_and_our_own_restart_is_none(tmp_path: Path) -> None:
    with installation(tmp_path, **ENVIRONMENT) as running:
        running.prepare()
        path = running.folder / "outages.toml"
        path.write_text(network())
        running.cli("import", str(path))
        fleet = Fleet(running)
        for site in SITES:
            fleet.connect(site)
        stopped = time.monotonic()
    fleet.close()
    until(lambda: time.monotonic() > stopped + SILENCE_S + 1, what="a restart longer than the silence that counts")

    with installation(tmp_path, **ENVIRONMENT) as running:
        running.sign_in("again")
        fleet = Fleet(running)
        for site in SITES:
            fleet.connect(site)
        pass_time(running, fleet, "north", SILENCE_S + 2)
        assert tickets(running) == []

        fleet.beat("north")
        fleet.cut("north")
        (ticket,) = until(lambda: tickets(running), what="the site's ticket", deadline_s=60)
        assert (ticket["fault"], ticket["asset"]) == ("site_outage", {"kind": "site", "id": "north"})
        assert "20 of 20 stations" in ticket["explanation"]
        pass_time(running, fleet, "south", SILENCE_S)
        assert len(tickets(running)) == 1
        fleet.close()
