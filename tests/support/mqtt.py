"""Devices on a broker: small clients that wait until the broker has what they said."""

from __future__ import annotations

import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Device:
    """A connected client; `heard` has (topic, payload)."""

    def __init__(self, client: paho.Client) -> None:
        self.client = client
        self.heard: list[tuple[str, bytes]] = []
        self.subscribed = threading.Event()
        client.on_message = self._hear
        client.on_subscribe = self._on_subscribe

    def _hear(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, message.payload))

    def _on_subscribe(self, *_: Any) -> None:
        self.subscribed.set()

    def say(
        self, topic: str, payload: str | bytes, *, qos: int = 1, retain: bool = False, wait_s: float = 10
    ) -> bool:
        """Whether the broker acknowledged it in time."""
        sent = self.client.publish(topic, payload, qos=qos, retain=retain)
        try:
            sent.wait_for_publish(wait_s)
        except (RuntimeError, ValueError):
            return False
        return sent.is_published()


@contextmanager
def device(url: str, client_id: str = "", **options: Any) -> Iterator[Device]:
    """Connected to `mqtt://[user:password@]host:port`. Raises TimeoutError when the broker does not take it."""
    parts = urllib.parse.urlsplit(url)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id, **options)
    if parts.username:
        client.username_pw_set(parts.username, parts.password)
    ready = threading.Event()
    client.on_connect = lambda *_: ready.set()
    made = Device(client)
    client.connect(str(parts.hostname), parts.port or 1883)
    client.loop_start()
    try:
        if not ready.wait(10):
            raise TimeoutError(f"no greeting from the broker at port {parts.port}")
        yield made
    finally:
        client.disconnect()
        client.loop_stop()


def publish(url: str, topic: str, payload: str | bytes, *, qos: int = 1, retain: bool = False) -> None:
    """One message of a device that comes and goes. Raises AssertionError when the broker does not take it."""
    with device(url) as one:
        assert one.say(topic, payload, qos=qos, retain=retain), f"the broker did not take {topic}"
