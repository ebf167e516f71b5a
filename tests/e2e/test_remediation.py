"""A station that hangs is helped by command: a simulated one takes the reset, and a session proves the mend."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from laddvakt.clock import utc_now
from simulator.client import StationClient
from simulator.drivers import Habits, Population
from simulator.firmware import Fault
from simulator.spec import ConnectorSpec, StationSpec, make_tokens
from simulator.station import Station, StationOptions
from tests.support.installation import Installation, installation
from tests.support.waiting import until

PLUG = ConnectorSpec(connector_id=1, type="IEC_62196_T2_COMBO", max_current_a=400, max_power_w=150_000)
SPEC = StationSpec(
    station_id="DC-1", vendor="Acme", model="Fast", current="DC", max_power_w=150_000, connectors=(PLUG,)
)

NETWORK = """
[[sites]]
id = "fast"
name = "By the road"

[[stations]]
id = "DC-1"
site = "fast"
vendor = "Acme"
model = "Fast"
current = "DC"
max_power_w = 150000
[[stations.connectors]]
id = 1
type = "IEC_62196_T2_COMBO"
max_current_a = 400
max_power_w = 150000
"""


def now_s() -> float:
    return utc_now().timestamp()


@contextmanager
def simulated(url: str, fault: Fault) -> Iterator[Station]:
    """DC-1 against a central system, in a thread of its own. It reports the fault from the start; drivers come
    whenever it is free."""
    habits = Habits(busy_at_start=1.0, speed=40, session_s=(800, 900))
    station = Station(
        SPEC,
        seed=1,
        now_s=now_s(),
        population=Population(make_tokens(20, 1), random.Random(1)),
        options=StationOptions(habits=habits, meter_interval_s=1.0),
    )
    station.bays[1].raise_fault(fault, now_s())
    client = StationClient(station, url, now=now_s, sink=lambda _, output: None)
    loop = asyncio.new_event_loop()
    task = loop.create_task(client.run())

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield station
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()


def ladder(running: Installation) -> list[dict[str, Any]]:
    """What the ladder did, as the ticket's history tells it."""
    return [e for ticket in running.items("/tickets") for e in ticket["events"] if e["action"] == "remediated"]


def steps(running: Installation) -> list[str]:
    return [event["data"]["step"] for event in ladder(running) if "step" in event["data"]]


def test_a_hung_station_is_reset_once_also_over_a_restart_and_a_session_proves_it(tmp_path: Path) -> None:
    environment = {
        "LADDVAKT_REMEDIATION__SITES": '["fast"]',
        "LADDVAKT_REMEDIATION__AFTER_S": "0",
        "LADDVAKT_REMEDIATION__WAIT_S": "3",
        "LADDVAKT_DETECTOR__RULES": json.dumps({"reported_fault": {"persist_s": 1, "clear_after_s": 1}}),
        "LADDVAKT_DETECTOR__FOREST": "false",
    }
    with installation(tmp_path, **environment) as running:
        running.prepare()
        network = running.folder / "fast.toml"
        network.write_text(NETWORK)
        running.cli("import", str(network))
        with simulated(running.stations_url, Fault("InternalError", "controller does not answer", hung=True)):
            until(lambda: steps(running) == ["ask"], deadline_s=30, what="the first step")
            running.kill("detector")
            until(lambda: ladder(running)[-1]["detail"] == "Reset: accepted.", deadline_s=30, what="the reset")
            running.kill("detector")
            (ticket,) = until(
                lambda: [t for t in running.items("/tickets") if t["state"] == "verified"],
                deadline_s=120,
                what="the proof",
            )
        assert steps(running) == ["ask", "soft_reset"]
        details = [event["detail"] for event in ticket["events"]]
        assert any(detail.endswith(", after a soft reset.") for detail in details)
        assert details[-1].endswith(" So a soft reset mended it.")
        sent = running.items("/stations/DC-1/commands")
        by_ladder = [(one["action"], one["status"]) for one in sent if one["actor"] == "remediation"]
        assert by_ladder == [("Reset", "accepted"), ("TriggerMessage", "accepted")]
