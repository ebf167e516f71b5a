"""A whole installation as a user starts it: `laddvakt up` in a process of its own, on free ports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Page, sync_playwright
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.support.waiting import until

LEASHED = [sys.executable, "-I", str(Path(__file__).with_name("leash.py")), "-"]  # dies with the tests
PEOPLE = {"wall": "viewer", "erik": "maintainer", "maja": "manager"}
PASSWORD = "correct horse battery"

NETWORK = """
[[sites]]
id = "north"
name = "Norra"
timezone = "Europe/Stockholm"
currency = "SEK"

[[stations]]
id = "SE-1"
site = "north"
vendor = "Acme"
model = "One"
current = "AC"
phases = 3
max_power_w = 22000
[[stations.connectors]]
id = 1
type = "IEC_62196_T2"
max_power_w = 22000
cable = "CABLE-7"

[[stations]]
id = "SE-2"
site = "north"
current = "AC"
max_power_w = 22000
[[stations.connectors]]
id = 1

[[drivers]]
id = "D1"
name = "Astrid"

[[tokens]]
id_tag = "TAG1"
kind = "rfid"
driver = "D1"

[[tariffs]]
id = "T1"
currency = "SEK"
[[tariffs.elements]]
price_components = [{ type = "ENERGY", price = 4.0, vat = 25.0, step_size = 1 }]

[[assignments]]
tariff = "T1"
site = "north"
"""


class Installation:
    """Started by `installation`. `pids` are those of `run/processes.json`, `up` included."""

    def __init__(self, folder: Path, environment: dict[str, str], process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self._environment = environment
        self.process = process
        self._token = ""

    def cli(self, *words: str, text: str = "") -> str:
        """Runs `laddvakt WORDS` against the same data. Raises CalledProcessError."""
        argv = [sys.executable, "-m", "laddvakt.cli", *words]
        done = subprocess.run(
            argv, env=self._environment, input=text.encode(), capture_output=True, check=False, timeout=60
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def _run_file(self, name: str) -> Any:
        path = self.folder / "data" / "run" / name

        def ready() -> Any:
            if self.process.poll() is not None:
                raise AssertionError(f"`laddvakt up` ended: {(self.folder / 'up.log').read_text()}")
            return json.loads(path.read_text()) if path.exists() else None

        return until(ready, deadline_s=60, what=name)

    @property
    def stations_url(self) -> str:
        return "ws://" + str(self._run_file("addresses.json")["stations"])

    @property
    def web_url(self) -> str:
        return str(self._run_file("dashboard.json")["url"]).rstrip("/")

    @property
    def mqtt_url(self) -> str:
        given = self._environment.get("LADDVAKT_MQTT__URL")
        if given:
            return given
        ports = self._run_file("eventlog.json")
        return f"mqtt://{ports['mqtt_host']}:{ports['mqtt_port']}"

    @property
    def pids(self) -> dict[str, int]:
        found: dict[str, int] = self._run_file("processes.json")
        return found

    def prepare(self) -> None:
        """The network, the people and a token."""
        network = self.folder / "network.toml"
        network.write_text(NETWORK)
        self.cli("import", str(network))
        for name, role in PEOPLE.items():
            self.cli("user", "add", name, "--role", role, "--password-stdin", text=PASSWORD + "\n")
        self.sign_in()

    def sign_in(self, name: str = "tests") -> None:
        """A token of its own for this run."""
        self._token = json.loads(self.cli("token", "add", name, "--role", "admin", "--json"))["token"]

    def get(self, path: str, **params: str) -> Any:
        """A GET of the API; the decoded body."""
        headers = {"Authorization": f"Bearer {self._token}"}
        response = httpx.get(f"{self.web_url}/api/v1{path}", params=params, headers=headers, timeout=20)
        response.raise_for_status()
        return response.json()

    def items(self, path: str, **params: str) -> list[Any]:
        """All pages of a list."""
        found: list[Any] = []
        after: dict[str, str] = {}
        while True:
            page = self.get(path, **params, **after)
            found += page["items"]
            if page["next"] is None:
                return found
            after = {"after": page["next"]}

    @contextmanager
    def station(self, station_id: str) -> Iterator[LiveStation]:
        url = f"{self.stations_url}/{station_id}"
        with connect(url, subprotocols=[Subprotocol("ocpp1.6")], compression=None) as socket:
            yield LiveStation(socket)

    def spawn(self, *words: str) -> subprocess.Popen[bytes]:
        """`laddvakt WORDS` in the background, its output in `other.log`."""
        with (self.folder / "other.log").open("ab") as log:
            argv = [*LEASHED, sys.executable, "-m", "laddvakt.cli", *words]
            return subprocess.Popen(argv, env=self._environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def kill(self, name: str) -> int:
        """kill -9 of one process; its pid."""
        pid = self.pids[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self) -> int:
        """As Ctrl-C does; the exit status."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(40)


class LiveStation:
    """A station on a real socket: says things, reads the reply."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self._count = 0

    def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        self._count += 1
        self.socket.send(json.dumps([2, str(self._count), action, payload]))
        while (frame := json.loads(self.socket.recv(timeout=30)))[0] == 2:  # a question of the collector's own
            self.socket.send(json.dumps([4, frame[1], "NotSupported", "", {}]))
        kind, unique_id, *rest = frame
        assert (kind, unique_id) == (3, str(self._count)), rest
        reply: dict[str, Any] = rest[0]
        return reply


@contextmanager
def installation(folder: Path, **environment: str) -> Iterator[Installation]:
    """`laddvakt up` on `folder/data`. `environment` is LADDVAKT_* settings."""
    full = {
        **os.environ,
        "LADDVAKT_DATA_DIR": str(folder / "data"),
        "LADDVAKT_OCPP__LISTEN": "127.0.0.1:0",
        "LADDVAKT_WEB__LISTEN": "127.0.0.1:0",
        "LADDVAKT_MQTT__LISTEN": "127.0.0.1:0",
        "LADDVAKT_CURRENCY": "SEK",
        "LADDVAKT_TIMEZONE": "Europe/Stockholm",
        **environment,
    }
    with (folder / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [*LEASHED, sys.executable, "-m", "laddvakt.cli", "up"],
            env=full,
            stdout=log,
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
    running = Installation(folder, full, process)
    try:
        assert running.web_url
        yield running
    finally:
        if process.poll() is None:
            running.stop()


CHROMIUM_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def wall(chromium: str, running: Installation) -> Iterator[Page]:
    """A browser in which erik, a maintainer, has signed in and looks at the wall."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=CHROMIUM_FLAGS)
        tab = browser.new_page(viewport={"width": 1920, "height": 1080})
        tab.goto(f"{running.web_url}/login?next=/")
        tab.get_by_label("Name").fill("erik")
        tab.get_by_label("Password").fill(PASSWORD)
        tab.keyboard.press("Enter")
        tab.wait_for_url(lambda url: "/login" not in url)
        yield tab
        browser.close()
