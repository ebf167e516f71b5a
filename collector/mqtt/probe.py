"""Whether an MQTT broker answers and lets us in."""

from __future__ import annotations

import os
import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from collector.mqtt.client import point_at

PATIENCE_S = 4.0


def refusal(url: str) -> str | None:
    """Why the broker cannot be used, or None when it can. Connects with an identity of its own, so that the
    collector's session is left alone. Raises SettingsError for a URL that is not one."""
    client = paho.Client(CallbackAPIVersion.VERSION2, f"laddvakt-doctor-{os.getpid()}", clean_session=True)
    client.connect_timeout = PATIENCE_S
    host, port = point_at(client, url)
    answered = threading.Event()
    reasons: list[str] = []

    def on_connect(_client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        if reason.is_failure:
            reasons.append(f"it refuses us: {reason}")
        answered.set()

    client.on_connect = on_connect
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
