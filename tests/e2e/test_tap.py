"""`laddvakt up` with a tap in front of another central system."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

from tests.support.installation import LiveStation, installation
from tests.support.waiting import until

OCPP16 = [Subprotocol("ocpp1.6")]
ANSWERS = {
    "BootNotification": {"status": "Accepted", "interval": 300, "currentTime": "2026-11-20T10:00:00Z"},
    "StartTransaction": {"transactionId": 4711, "idTagInfo": {"status": "Accepted"}},
}


@contextmanager
def central_system() -> Iterator[str]:
    def talk(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            for text in connection:
                _, unique_id, action, _ = json.loads(text)
                connection.send(json.dumps([3, unique_id, ANSWERS[action]]))

    with serve(talk, "127.0.0.1", 0, subprotocols=OCPP16) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}"
        server.shutdown()
        thread.join(10)


def test_a_charge_behind_the_tap_becomes_a_session(tmp_path: Path) -> None:
    with central_system() as upstream:
        settings = {"LADDVAKT_TAP__LISTEN": "127.0.0.1:0", "LADDVAKT_TAP__UPSTREAM": upstream}
        with installation(tmp_path, **settings) as running:
            running.prepare()
            address = json.loads((running.folder / "data" / "run" / "addresses.json").read_text())["tap"]
            host, _, port = address.rpartition(":")

            def listens() -> bool:
                try:
                    socket.create_connection((host, int(port))).close()
                except OSError:
                    return False
                return True

            until(listens, deadline_s=30, what="the tap to listen")
            with connect(f"ws://{address}/SE-1", subprotocols=OCPP16) as link:
                station = LiveStation(link)
                station.call("BootNotification", {"chargePointVendor": "Acme", "chargePointModel": "One"})
                start = {"connectorId": 1, "idTag": "TAG1", "meterStart": 100, "timestamp": "2026-11-20T10:00:00Z"}
                station.call("StartTransaction", start)
                (session,) = until(lambda: running.items("/sessions"), deadline_s=30, what="the session")
    assert (session["transaction_id"], session["driver_id"]) == ("4711", "D1")
