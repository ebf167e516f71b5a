"""Whether an MQTT broker answers and lets us in."""

from __future__ import annotations

import os
import threading
from typing import Any

from collector.mqtt.access import make_client, point_at
from laddvakt.settings import MqttSettings

PATIENCE_S = 4.0


def refusal(url: str, mqtt: MqttSettings) -> str | None:
    """Why the broker cannot be used, or None when it can. Connects with an identity of its own, so that the
    collector's session is left alone. Raises SettingsError for a URL that is not one, or settings that do not
    go with it."""
    client = make_client(f"laddvakt-doctor-{os.getpid()}", mqtt, persistent=False)
    client.connect_timeout = PATIENCE_S
    host, port = point_at(client, url, mqtt)
    answered = threading.Event()
    reasons: list[str] = []

    def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            reasons.append(f"it refuses us: {reason}")
        answered.set()

    def on_disconnect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if not answered.is_set():  # TLS 1.3: a client certificate is refused behind the handshake
            reasons.append(f"it closed the connection: {reason}")
            answered.set()

    client.on_connect = on_connect
    client.on_disconnect = on_disconnect
    try:
        client.connect(host, port, keepalive=10)
    except (OSError, ValueError) as error:
        return str(error)
    client.loop_start()
    try:
        if not answered.wait(PATIENCE_S):
            return f"no answer to our greeting within {PATIENCE_S:g} s"
    finally:
        client.disconnect()
        client.loop_stop()
    return reasons[0] if reasons else None
